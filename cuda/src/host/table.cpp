// frnn_tensors cut into chunks: sizes, and the table as kernels read it.

#include <cstring>
#include <vector>

#include "host/table.h"
#include "host/table_image.h"

namespace frnn {
namespace {

int64_t chunks_of(int64_t length) {
  return (length + kChunkElements - 1) / kChunkElements;
}

int64_t chunk_count(const frnn_tensors& tensors) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  int64_t chunks = 0;
  for (int64_t k = 0; k < tensors.count; ++k)
    chunks += chunks_of(lengths[k]);
  return chunks;
}

void append_chunks(const frnn_tensors& tensors, std::vector<Chunk>* chunks) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  for (int64_t k = 0; k < tensors.count; ++k) {
    for (int64_t offset = 0; offset < lengths[k]; offset += kChunkElements) {
      const int64_t rest = lengths[k] - offset;
      chunks->push_back({k, offset, rest < kChunkElements ? rest : kChunkElements});
    }
  }
}

Status check_list_addresses(const frnn_tensors& tensors) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  const int64_t* addresses = reinterpret_cast<const int64_t*>(tensors.addresses);
  for (int64_t list = 0; list < tensors.lists; ++list) {
    for (int64_t k = 0; k < tensors.count; ++k) {
      const int64_t address = addresses[list * tensors.count + k];
      if (lengths[k] == 0 || (address > 0 && address % 4 == 0)) continue;
      return Status::fail(
          FRNN_INVALID_ARGUMENT,
          format("tensors.addresses[%lld][%lld]: expected a device address aligned to 4 bytes, got "
                 "0x%llx",
                 static_cast<long long>(list), static_cast<long long>(k),
                 static_cast<unsigned long long>(address)));
    }
  }
  return Status::success();
}

}  // namespace

void table_bytes(const frnn_tensors& tensors, int64_t* bytes, int64_t* chunks) {
  *chunks = chunk_count(tensors);
  *bytes = static_cast<int64_t>(sizeof(TableHeader)) +
           *chunks * static_cast<int64_t>(sizeof(Chunk)) + tensors.lists * tensors.count * 8;
}

Status table_image(const frnn_tensors& tensors, std::vector<char>* image) {
  if (tensors.count > 0 && tensors.addresses == 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "tensors.addresses: expected a host address, got 0");
  }
  FRNN_TRY(check_list_addresses(tensors));
  int64_t bytes = 0;
  TableHeader header{tensors.count, tensors.lists, 0, 0};
  table_bytes(tensors, &bytes, &header.chunks);
  std::vector<Chunk> chunks;
  chunks.reserve(static_cast<size_t>(header.chunks));
  append_chunks(tensors, &chunks);
  const size_t chunk_bytes = chunks.size() * sizeof(Chunk);
  const size_t address_bytes = static_cast<size_t>(tensors.lists * tensors.count * 8);
  header.addresses_offset = static_cast<int64_t>(sizeof(header) + chunk_bytes);
  image->resize(static_cast<size_t>(bytes));
  std::memcpy(image->data(), &header, sizeof(header));
  if (chunk_bytes > 0) std::memcpy(image->data() + sizeof(header), chunks.data(), chunk_bytes);
  if (address_bytes > 0) {
    std::memcpy(image->data() + header.addresses_offset,
                reinterpret_cast<const void*>(tensors.addresses), address_bytes);
  }
  return Status::success();
}

}  // namespace frnn
