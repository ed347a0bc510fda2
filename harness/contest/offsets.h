/* SPDX-License-Identifier: Apache-2.0
 *
 * How much processes of one build differed, kept with a baseline's cells: the contrasts of identical builds that `ternmark baseline
 * record` measures in lanes, generation by generation, and what the gate's decision makes of them later (stats/spread.h).
 * In a cell's metrics: process_offsets, its series holding head's and the null contrast of each generation (log ratios) in turn, its value
 * the typical spread; process_offset_errors, its series their variances within the generation.
 */
#ifndef CONTEST_OFFSETS_H
#define CONTEST_OFFSETS_H

#include "stats/spread.h"

#include <jansson.h>
#include <stdbool.h>

enum { OFFSETS_GENERATIONS = 40 };  /* the newest that are kept of a cell */

/* Puts both metrics of measured generations of identical builds into `metrics`. */
void offsets_put(json_t *metrics, const struct spread_cell *measured);

/* Puts both metrics of `now` into `metrics`, the generations of `before` behind them; either may lack them or be NULL. */
void offsets_join(json_t *metrics, const json_t *now, const json_t *before);

/* Fills spread_history's likelihood. False: nothing was recorded, or it is not what offsets_put writes. */
bool offsets_read(const json_t *metrics, double history[SPREAD_GRID]);

/* The same of a planned or measured cell in `baseline` (its top object, or NULL). False also where another workload was recorded under its id. */
bool offsets_of(const json_t *baseline, const json_t *cell, double history[SPREAD_GRID]);

/*
 * A sentence on what the decisions took processes of one build to differ by (metric process_spread of the result's cells), and for how many of
 * them `history` (a baseline's top object, or NULL) holds a record. New string; NULL: no cell was timed in pairs.
 */
json_t *offsets_note(const json_t *cells, const json_t *history);

#endif
