/* SPDX-License-Identifier: Apache-2.0
 *
 * The card as NVML (libnvidia-ml, part of the driver) sees it: load, power, temperature, clocks, and what holds the clock down.
 * The library is loaded with dlopen, in workers only, and only where a cell runs on the card: the harness's own process opens no card.
 * Where the library, the card or one of its sensors is not there, a value is absent with the reason, never zero. One card a process.
 */
#ifndef PROBE_GPU_H
#define PROBE_GPU_H

#include <stdbool.h>
#include <stddef.h>

enum gpu_value {
#define GPU_READING(value, metric, unit, fold, sentence) GPU_##value,
#include "probe/gpu.def"
#undef GPU_READING
    GPU_VALUES
};

/* What keeps the multiprocessors from their full clock: bits. */
enum gpu_slow {
    GPU_SLOW_heat = 1,      /* thermal slowdown, by the driver or the hardware */
    GPU_SLOW_brake = 2,     /* the supply's power brake, or another slowdown by the hardware */
    GPU_SLOW_sync = 4,      /* held to the clock of a slower card beside it */
    GPU_SLOW_low_clock = 8, /* under three quarters of the highest clock (nvbench's threshold), unless an administrator set it so */
};

/*
 * Opens NVML and the card that CUDA calls `ordinal` (CUDA_VISIBLE_DEVICES is followed; cards are counted in the order of the bus).
 * `library`: NULL for the driver's own. False with `why`; then nothing else here gives values.
 */
bool gpu_open(const char *library, int ordinal, char *why, size_t size);
void gpu_close(void);

/* What the open card is. False where it does not tell. */
struct gpu_card {
    char name[96], uuid[96];
    double memory_bytes;
};
bool gpu_describe(struct gpu_card *card);

/* The present values; negative where the card does not tell one. */
void gpu_read(double values[GPU_VALUES]);

/* Bits of enum gpu_slow at this moment; negative where neither the clock nor its reasons can be read. */
int gpu_slowed(void);

/* The bits in words, joined by commas; returns `buffer`. */
const char *gpu_slow_text(int bits, char *buffer, size_t size);

#endif
