#include "lieq/hub/digest.h"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/check.h"

namespace lieq::hub {
namespace {

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

std::string in_hex(const Digest& bytes, unsigned int count) {
  return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.begin() + count, ""));
}

}  // namespace

Checksum checksum_of(std::string_view etag) {
  if (etag.find_first_not_of("0123456789abcdef") != std::string_view::npos) return Checksum::kNone;
  return etag.size() == 64 ? Checksum::kSha256 : etag.size() == 40 ? Checksum::kGitBlob : Checksum::kNone;
}

Result<std::string> digest(const std::filesystem::path& file, Checksum kind) {
  LIEQ_CHECK(kind != Checksum::kNone);
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  std::ifstream stream(file, std::ios::binary);
  if (error || !stream) return fail(ErrorCode::kNotFound, file.string() + ": cannot be read, expected a file");
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  LIEQ_CHECK(EVP_DigestInit_ex(context.get(), kind == Checksum::kSha256 ? EVP_sha256() : EVP_sha1(), nullptr) == 1);
  if (kind == Checksum::kGitBlob) {
    const std::string head = fmt::format("blob {}", size);
    LIEQ_CHECK(EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1) == 1);
  }
  std::vector<char> buffer(std::size_t{1} << 20);
  while (stream) {
    stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    LIEQ_CHECK(EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(stream.gcount())) == 1);
  }
  if (stream.bad()) return fail(ErrorCode::kIo, file.string() + ": cannot be read");
  Digest found{};
  unsigned int count = 0;
  LIEQ_CHECK(EVP_DigestFinal_ex(context.get(), found.data(), &count) == 1);
  return in_hex(found, count);
}

std::string sha256(std::string_view bytes) {
  Digest found{};
  unsigned int count = 0;
  LIEQ_CHECK(EVP_Digest(bytes.data(), bytes.size(), found.data(), &count, EVP_sha256(), nullptr) == 1);
  return in_hex(found, count);
}

}  // namespace lieq::hub
