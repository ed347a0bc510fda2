/* SPDX-License-Identifier: Apache-2.0
 *
 * The card beside a cell that runs on it: in the worker, readings between samples and marks on samples that a held-down clock spoiled
 * (probe/gpu.h); in the harness, what these come to over a generation. Nothing here runs inside a timed window.
 */
#ifndef MEASURE_CARD_H
#define MEASURE_CARD_H

#include "probe/gpu.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* One turn's, as it stands on the shared page. */
struct card_usage {
    double sums[GPU_VALUES];
    uint32_t readings[GPU_VALUES];
    uint64_t slowed;      /* bit i: sample i was taken at a throttled clock */
    int32_t slow_reasons; /* bits of enum gpu_slow, of those samples */
    uint32_t unknown;     /* samples whose clock could not be read */
    bool is_watched;      /* the cell is on a card that NVML answers for */
};

/* ---- in the worker */

struct card {
    bool is_watched;            /* a cell on the card is open and NVML answers */
    bool is_tried, is_there;    /* whether NVML was asked for, and is open */
    char absent[128];           /* why it is not */
    uint64_t begun_ns, read_ns; /* first sample of the cell, latest reading */
    double values[GPU_VALUES];  /* of that */
    struct card_usage usage;    /* of the turn under way */
};

/* A cell was opened; `info` says on which backend, and gets why readings of the card are absent, where they are. */
void card_open(struct card *card, json_t *info);

/* Before a turn, after each of its samples, and after the last one. */
void card_begin(struct card *card);
void card_sample(struct card *card, uint32_t index);
void card_end(struct card *card);

/* ---- in the harness */

void card_add(struct card_usage *sum, const struct card_usage *one);

/* Puts a generation's means, {"gpu_power": W, …}, and {"gpu_throttled": samples dropped} into it; nothing where no card was watched. */
void card_describe(json_t *generation, const struct card_usage *sum, size_t throttled);

#endif
