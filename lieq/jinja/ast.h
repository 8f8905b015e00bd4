#pragma once
/// A parsed template.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lieq/jinja/value.h"

namespace lieq::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional = {};
  std::vector<std::pair<std::string, ExpressionPtr>> named = {};
  ExpressionPtr star = {}, star_star = {};  ///< *args, **kwargs; may be null
};

struct Expression {
  enum class Kind {
    kConstant,     ///< constant
    kName,         ///< name
    kList,         ///< [parts...]
    kTuple,        ///< parts...
    kDict,         ///< {parts[0]: parts[1], ...}
    kAttribute,    ///< parts[0].name
    kItem,         ///< parts[0][parts[1]]
    kSlice,        ///< parts[0][parts[1]:parts[2]:parts[3]]; each bound may be null
    kCall,         ///< parts[0](arguments)
    kFilter,       ///< parts[0] | name(arguments); parts[0] is null at the start of a filter block
    kTest,         ///< parts[0] is name(arguments)
    kNot,          ///< not parts[0]
    kUnary,        ///< name (+ or -) parts[0]
    kBinary,       ///< parts[0] name parts[1]
    kCompare,      ///< parts[0] operators[0] parts[1] operators[1] ...
    kAnd, kOr,     ///< parts[0], parts[1]
    kConcat,       ///< parts[0] ~ parts[1] ~ ...
    kConditional,  ///< parts[1] if parts[0] else parts[2], which may be null
  };
  Kind kind = Kind::kConstant;
  std::size_t line = 1;
  std::string name = {};
  Value constant = {};
  std::vector<ExpressionPtr> parts = {};
  std::vector<std::string> operators = {};
  CallArguments arguments = {};
  std::size_t depth = 1;  ///< of the tree below
};

struct Statement;
using Block = std::vector<Statement>;

/// Parameters of a macro or a call block.
struct Signature {
  std::vector<std::string> names = {};
  std::vector<ExpressionPtr> defaults = {};  ///< of the last parameters
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

struct Statement {
  enum class Kind {
    kText,         ///< text
    kPrint,        ///< {{ value }}
    kIf,           ///< branches in order; the last one may have no condition
    kFor,          ///< for target in value if condition: body, else otherwise
    kSet,          ///< target = value
    kSetBlock,     ///< target = body, through the filters of value (may be null)
    kMacro,        ///< macro text(signature): body
    kCallBlock,    ///< value, a call, with body as its caller
    kFilterBlock,  ///< body through the filters of value
    kScope,        ///< body in a scope of its own that begins with `assignments`
    kBreak, kContinue,
  };
  Kind kind = Kind::kText;
  std::size_t line = 1;
  std::string text = {};
  ExpressionPtr target = {}, value = {}, condition = {};
  bool recursive = false;
  std::vector<std::pair<ExpressionPtr, Block>> branches = {};
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments = {};
  Block body = {}, otherwise = {};
  Signature signature = {};
};

}  // namespace lieq::jinja
