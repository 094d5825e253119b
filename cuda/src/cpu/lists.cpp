#include "cpu/lists.h"

#include <limits>

#include "cpu/split.h"
#include "host/step.h"

namespace frnn::cpu {
namespace {

// The table of parallel lists that the door wrote.
struct Table {
  const char* const start;
  const TableHeader& header;

  explicit Table(int64_t address)
      : start(reinterpret_cast<const char*>(address)),
        header(*reinterpret_cast<const TableHeader*>(address)) {}

  bool fits(int64_t layout, int64_t chunks) const {
    return header.layout == layout && header.chunks == chunks;
  }
  const Chunk& chunk(int64_t k) const {
    return reinterpret_cast<const Chunk*>(start + sizeof(TableHeader))[k];
  }
  int64_t first_chunk(int64_t tensor) const {
    return reinterpret_cast<const int64_t*>(start + header.firsts_offset)[tensor];
  }
  ListPart part(int64_t list, const Chunk& c) const {
    const int64_t dtype = dtype_of(header.layout, list);
    const int64_t address = reinterpret_cast<const int64_t*>(
        start + header.addresses_offset)[list * header.count + c.tensor];
    return {reinterpret_cast<void*>(address + c.offset * element_bytes(dtype)), dtype, c.length};
  }
  float* floats(int64_t list, const Chunk& c) const {
    return static_cast<float*>(part(list, c).address);
  }
};

struct Slot {
  double value;
  int64_t finite;
};

// Slots first to last - 1 together, in their order.
Slot collect(const Slot* slots, int64_t first, int64_t last, int64_t norm_kind) {
  Slot all = {0.0, 1};
  for (int64_t k = first; k < last; ++k) {
    const double value = slots[k].value;
    if (norm_kind != FRNN_INFINITY) {
      all.value += value;
    } else if (!(value <= all.value) && all.value == all.value) {
      all.value = value;
    }
    all.finite &= slots[k].finite;
  }
  return all;
}

void conclude(const frnn_clip& clip, const Table& table) {
  if (already_failed(clip)) return;
  const Slot* slots = reinterpret_cast<const Slot*>(clip.workspace);
  frnn_clip_result* const results = reinterpret_cast<frnn_clip_result*>(clip.result);
  if (!table.fits(clip.layout, clip.chunks)) {
    conclude_clip(clip, false, std::numeric_limits<double>::quiet_NaN(), false, results);
    return;
  }
  for (int64_t k = 0; clip.per_tensor != 0 && k < table.header.count; ++k) {
    const Slot own = collect(slots, table.first_chunk(k), table.first_chunk(k + 1), clip.norm_kind);
    conclude_clip(clip, true, own.value, own.finite != 0, results + 1 + k);
  }
  const Slot all = collect(slots, 0, clip.chunks, clip.norm_kind);
  conclude_clip(clip, false, all.value, all.finite != 0, results);
}

// The list in place, where the action asks for it.
void change(const Machine& machine, const frnn_clip& clip, const Table& table, Range mine) {
  const frnn_clip_result* const results = reinterpret_cast<const frnn_clip_result*>(clip.result);
  if (clip.action == FRNN_MEASURE || results->skip != 0) return;
  const bool clamps = clip.action == FRNN_CLAMP_ELEMENTS;
  for (int64_t i = mine.first; i < mine.last; ++i) {
    const Chunk& chunk = table.chunk(i);
    const frnn_clip_result& own = results[clip.per_tensor != 0 ? 1 + chunk.tensor : 0];
    const double factor = own.coefficient / loss_scale_at(clip.loss_scale);
    if (!clamps && factor == 1.0 && (own.infinite == 0.0 || own.finite != 0)) continue;
    machine.kernels.change_list(
        table.part(clip.list, chunk),
        {static_cast<float>(factor), static_cast<float>(own.infinite)},
        clamps ? static_cast<float>(clip.max_norm) : std::numeric_limits<float>::infinity());
  }
}

}  // namespace

void write_word(const Machine&, const WordWrite& write) {
  *reinterpret_cast<int64_t*>(write.address) = write.word;
}

void clip_by_global_norm(const Machine& machine, const frnn_clip& clip) {
  const Table table(clip.table);
  Slot* const slots = reinterpret_cast<Slot*>(clip.workspace);
  const bool fits = table.fits(clip.layout, clip.chunks);
  const float infinite = static_cast<float>(infinite_of(clip));
  const double elements = static_cast<double>(clip.chunks) * kChunkElements;
  machine.pool.run(machine.team(elements), [&](const Worker& worker) {
    const Range mine = split(fits ? clip.chunks : 0, worker.count, worker.index);
    for (int64_t i = mine.first; i < mine.last; ++i) {
      bool finite = true;
      slots[i].value = machine.kernels.list_norm(
          clip.norm_kind, table.part(clip.list, table.chunk(i)), infinite, &finite);
      slots[i].finite = finite ? 1 : 0;
    }
    worker.sync();
    if (worker.index == 0) conclude(clip, table);
    if (clip.action == FRNN_MEASURE) return;
    worker.sync();
    change(machine, clip, table, mine);
  });
}

void optimizer_step(const Machine& machine, const frnn_optimizer& o) {
  const Table table(o.table);
  begin_step(o, table.fits(o.layout, o.chunks));
  if (reinterpret_cast<const frnn_optimizer_state*>(o.state)->apply == 0) return;
  const UpdateRates<float> rates = update_rates(o);
  const int64_t states = states_of(o.layout);
  const bool copies = has_copy(o.layout);
  const double elements = static_cast<double>(o.chunks) * kChunkElements;
  machine.pool.run(machine.team(4 * elements), [&](const Worker& worker) {
    const Range mine = split(o.chunks, worker.count, worker.index);
    for (int64_t i = mine.first; i < mine.last; ++i) {
      const Chunk& chunk = table.chunk(i);
      ListUpdate update{};
      update.kind = o.kind;
      update.states = states;
      update.rates = rates;
      update.reading = gradient_reading(o, chunk.tensor);
      update.parameters = table.floats(0, chunk);
      update.gradients = table.part(1, chunk);
      update.first = states >= 1 ? table.floats(2, chunk) : nullptr;
      update.second = states == 2 ? table.floats(3, chunk) : nullptr;
      if (copies) update.copy = table.part(2 + states, chunk);
      machine.kernels.update_list(update);
    }
  });
}

}  // namespace frnn::cpu
