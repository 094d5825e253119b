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

int64_t layout_of(const frnn_tensors& tensors) {
  const int64_t* dtypes = reinterpret_cast<const int64_t*>(tensors.dtypes);
  int64_t layout = kLayoutMark | tensors.lists;
  for (int64_t list = 0; list < tensors.lists; ++list)
    layout |= dtypes[list] << (4 + 4 * list);
  return layout;
}

int64_t chunk_count(const frnn_tensors& tensors) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  int64_t chunks = 0;
  for (int64_t k = 0; k < tensors.count; ++k)
    chunks += chunks_of(lengths[k]);
  return chunks;
}

void cut(const frnn_tensors& tensors, std::vector<Chunk>* chunks, std::vector<int64_t>* firsts) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  for (int64_t k = 0; k < tensors.count; ++k) {
    firsts->push_back(static_cast<int64_t>(chunks->size()));
    for (int64_t offset = 0; offset < lengths[k]; offset += kChunkElements) {
      const int64_t rest = lengths[k] - offset;
      chunks->push_back({k, offset, rest < kChunkElements ? rest : kChunkElements});
    }
  }
  firsts->push_back(static_cast<int64_t>(chunks->size()));
}

Status check_list_addresses(const frnn_tensors& tensors) {
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  const int64_t* dtypes = reinterpret_cast<const int64_t*>(tensors.dtypes);
  const int64_t* addresses = reinterpret_cast<const int64_t*>(tensors.addresses);
  for (int64_t list = 0; list < tensors.lists; ++list) {
    const int64_t alignment = element_bytes(dtypes[list]);
    for (int64_t k = 0; k < tensors.count; ++k) {
      const int64_t address = addresses[list * tensors.count + k];
      if (lengths[k] == 0 || (address > 0 && address % alignment == 0)) continue;
      return Status::fail(
          FRNN_INVALID_ARGUMENT,
          format("tensors.addresses[%lld][%lld]: expected a device address aligned to %lld bytes, "
                 "got 0x%llx",
                 static_cast<long long>(list), static_cast<long long>(k),
                 static_cast<long long>(alignment), static_cast<unsigned long long>(address)));
    }
  }
  return Status::success();
}

template <typename E>
void append(std::vector<char>* image, const E* values, size_t count) {
  const char* const bytes = reinterpret_cast<const char*>(values);
  image->insert(image->end(), bytes, bytes + count * sizeof(E));
}

}  // namespace

frnn_table_sizes table_sizes(const frnn_tensors& tensors) {
  const int64_t chunks = chunk_count(tensors);
  const int64_t words = tensors.count + 1 + tensors.lists * tensors.count;
  return {static_cast<int64_t>(sizeof(TableHeader)) + chunks * static_cast<int64_t>(sizeof(Chunk)) +
              8 * words,
          chunks, layout_of(tensors)};
}

Status table_image(const frnn_tensors& tensors, std::vector<char>* image) {
  if (tensors.count > 0 && tensors.addresses == 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "tensors.addresses: expected a host address, got 0");
  }
  FRNN_TRY(check_list_addresses(tensors));
  const frnn_table_sizes sizes = table_sizes(tensors);
  std::vector<Chunk> chunks;
  std::vector<int64_t> firsts;
  chunks.reserve(static_cast<size_t>(sizes.chunks));
  cut(tensors, &chunks, &firsts);
  TableHeader header{tensors.count, tensors.lists, sizes.chunks, sizes.layout, 0, 0};
  header.firsts_offset = static_cast<int64_t>(sizeof(header) + chunks.size() * sizeof(Chunk));
  header.addresses_offset = header.firsts_offset + 8 * (tensors.count + 1);
  image->clear();
  image->reserve(static_cast<size_t>(sizes.bytes));
  append(image, &header, 1);
  append(image, chunks.data(), chunks.size());
  append(image, firsts.data(), firsts.size());
  append(image, reinterpret_cast<const int64_t*>(tensors.addresses),
         static_cast<size_t>(tensors.lists * tensors.count));
  return Status::success();
}

}  // namespace frnn
