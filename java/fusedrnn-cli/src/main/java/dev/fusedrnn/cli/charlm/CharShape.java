package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.cli.text.Vocabulary;

/**
 * What a character language model is made of: embedding, recurrent layers one on another, linear
 * layer to the scores of the next character.
 *
 * @param cell the recurrent cell
 * @param hidden H
 * @param layers recurrent layers, at least 1
 * @param dropout between layers, in training
 * @param embedding features of a character; 0 for one-hot
 * @param vocabulary the characters
 */
record CharShape(
    Cell cell, int hidden, int layers, double dropout, int embedding, Vocabulary vocabulary) {

  /** Refuses sizes that make no model. */
  CharShape {
    if (hidden < 1 || layers < 1 || embedding < 0 || vocabulary.size() < 1) {
      throw new IllegalArgumentException(
          String.format(
              "model: expected hidden and layers from 1, embedding from 0 and some characters, got"
                  + " hidden %d, layers %d, embedding %d, %d characters",
              hidden, layers, embedding, vocabulary.size()));
    }
  }

  /** Features that the first layer reads. */
  int input() {
    return embedding == 0 ? vocabulary.size() : embedding;
  }

  /** The recurrent layers. */
  RnnConfig network() {
    return RnnConfig.builder(cell)
        .inputSize(input())
        .hiddenSize(hidden)
        .layers(layers)
        .dropout(dropout)
        .dtype(DType.F32)
        .build();
  }

  /** How many numbers are learnt. */
  long parameterCount() {
    return (long) vocabulary.size() * (embedding + hidden + 1) + network().parameterCount();
  }
}
