/// lieq._core: what the package lieq is made of.

#include <cstdlib>

#include <nanobind/nanobind.h>

#include "errors.h"
#include "lieq/base/version.h"
#include "lieq/kernels/isa.h"
#include "loaded_model.h"
#include "work.h"

NB_MODULE(_core, module) {
  using namespace lieq::python;
  if (const char* isa = std::getenv("LIEQ_ISA")) value_of(lieq::kernels::use_isa(isa));
  module.doc() = "Layer-wise mixed 2/4-bit quantization of small language models";
  module.attr("__version__") = lieq::kVersion;
  module.def("set_num_threads", &set_num_threads, nb::arg("count"),
             "Threads that work runs on from now on; at first one for each physical core.");
  module.def(
      "get_num_threads", [] { return team()->threads.count(); }, "Threads that work runs on.");
  define_tokenizer(module);
  define_model(module);
  define_memory(module);
  define_jobs(module);
  define_quantize(module);
  define_evaluate(module);
}
