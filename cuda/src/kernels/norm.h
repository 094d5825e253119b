// Layer and batch normalisation of the input products, and the step of the layer-normalised LSTM.
// Tensors as in kernels/sequence.h. `unit` is what came out before the gain: mean 0, variance 1.

#ifndef FUSEDRNN_SRC_KERNELS_NORM_H_
#define FUSEDRNN_SRC_KERNELS_NORM_H_

#include "kernels/sequence.h"

namespace frnn {

// Which rows of a sequence are there.
struct RowsOf {
  int T, B;
  bool batch_first;
  const int32_t* lengths;  // [B], optional
};

// a[n, :] = (a[n, :] - mean) / sqrt(variance + epsilon) * gain, over the columns of each row.
template <typename Elem>
struct LayerNormRows {
  int64_t rows;
  int columns;
  float epsilon;
  const Elem* gain;  // [columns]
  float* a;          // rows [., columns] in and out
  float* unit;       // rows [., columns] =, optional
  float* scale;      // [rows] = 1 / sqrt(variance + epsilon), optional
};
template <typename Elem>
Status layer_norm_rows(const Queue& queue, const LayerNormRows<Elem>& args);

template <typename Elem>
struct LayerNormRowsBackward {
  int64_t rows;
  int columns;
  const Elem* gain;
  const float* unit;
  const float* scale;
  const Elem* da;  // rows, of the normalised product
  Elem* dax;       // rows = of the product
};
template <typename Elem>
Status layer_norm_rows_backward(const Queue& queue, const LayerNormRowsBackward<Elem>& args);

// Mean and variance of each column over the live rows; the moving averages follow them.
struct ColumnStatistics {
  RowsOf rows;
  int columns;
  float epsilon, momentum;
  const float* a;       // rows [., columns]
  float* mean;          // [columns] =
  float* scale;         // [columns] = 1 / sqrt(variance + epsilon)
  float* count;         // [1] = live rows
  float* running_mean;  // [columns], optional
  float* running_var;   // [columns], optional
};
Status column_statistics(const Queue& queue, const ColumnStatistics& args);

// a[:, j] = (a[:, j] - mean[j]) * scale[j] * gain[j], or with 1 / sqrt(variance + epsilon) for
// scale.
template <typename Elem>
struct NormColumns {
  RowsOf rows;
  int columns;
  float epsilon;
  const float* mean;
  const float* scale;     // null: variance is there
  const float* variance;  // null: scale is there
  const Elem* gain;
  float* a;     // rows in and out
  float* unit;  // rows =, optional
};
template <typename Elem>
Status norm_columns(const Queue& queue, const NormColumns<Elem>& args);

template <typename Elem>
struct NormColumnsBackward {
  RowsOf rows;
  int columns;
  const float* scale;
  const float* count;
  const float* sums;      // [columns] of da
  const float* weighted;  // [columns] of da * unit
  const Elem* gain;
  const float* unit;
  const Elem* da;  // rows, of the normalised product
  Elem* dax;       // rows = of the product; zero where a row does not live
};
template <typename Elem>
Status norm_columns_backward(const Queue& queue, const NormColumnsBackward<Elem>& args);

// ---- One step of the layer-normalised LSTM ------------------------------------------------------

template <typename Elem>
struct LstmNormForward {
  LstmSequenceForward<Elem> lstm;  // ah before its norm; gates: the normalised W x
  float epsilon;
  const Elem* gain_hh;  // [4H]
  const Elem* gain_c;   // [H]
  const Elem* bias_c;   // [H]
  float* fresh_c;       // [B, H] scratch
  float* unit_hh;       // rows [., 4H] =, in training
  float* scale_hh;      // [rows] =, in training
};
template <typename Elem>
Status lstm_norm_forward(const Queue& queue, const LstmNormForward<Elem>& args);

template <typename Elem>
struct LstmNormBackward {
  LstmSequenceBackward<Elem> lstm;  // da: of the normalised parts; da_step: of R h
  float epsilon;
  const Elem* gain_hh;
  const Elem* gain_c;
  const Elem* bias_c;
  const float* unit_hh;
  const float* scale_hh;
  Elem* dah;          // rows [., 4H] = of R h
  float* fresh_c;     // [B, H] scratch
  float* fresh_da;    // [B, 4H] scratch
  float* bias_terms;  // rows [., H] = terms of the gradient of bias_c
  float* gain_terms;  // rows [., H] = of gain_c
};
template <typename Elem>
Status lstm_norm_backward(const Queue& queue, const LstmNormBackward<Elem>& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_NORM_H_
