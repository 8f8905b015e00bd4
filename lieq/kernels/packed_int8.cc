#include "lieq/kernels/packed_int8.h"

namespace lieq::kernels {

void multiply_int8(const Int8Product& product) {
  (product.tokens <= kInt8StreamTokens ? multiply_int8_stream : multiply_int8_tile)(product);
}

}  // namespace lieq::kernels
