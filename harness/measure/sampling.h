/* SPDX-License-Identifier: Apache-2.0
 *
 * How one cell is sampled in one worker: iterations are calibrated until a sample is long enough for the clock, the body is warmed
 * up until it is steady, then samples are taken. Times are ns.
 *
 * Glossary: a sample is one timed batch of `iterations`; a generation is all samples of a cell in one worker.
 */
#ifndef MEASURE_SAMPLING_H
#define MEASURE_SAMPLING_H

#include "measure/clock.h"
#include "measure/worker.h"

struct sampling {
    double sample_ns;     /* aimed-at length of one sample */
    double warm_ns;       /* most time of the warm-up */
    double generation_ns; /* most time of all samples of a generation; at least SAMPLING_LEAST are taken all the same */
    double card_ns;       /* a cell on the card goes on running untimed until so long after its first sample: slow sensors see it then; 0: not */
    unsigned samples;     /* of a generation */
    unsigned generations;
};

enum { SAMPLING_LEAST = 3 };

/* Without a budget: 3 generations of 20 samples of 1 ms. */
struct sampling sampling_default(void);

/*
 * What fits into `budget_ns` for `cells` cells, worker starts and calibration included: fewer generations (at least 2), fewer and
 * shorter samples. Never more than the default.
 */
struct sampling sampling_for_budget(double budget_ns, size_t cells, const struct clock_quality *clock);

/* The shortest sample that this clock can time: 200 times its cost and 100 times its resolution, so that both are below 1 %. */
double sampling_floor_ns(const struct clock_quality *clock);

/*
 * Samples the open cell. Gives a new object, a generation as the journal holds it, less its cell:
 *   {iterations, samples_ns [per iteration], voided, overhead, empty_ns, cpu_ns, faults, switches, peak_bytes,
 *    unexplained, counters {name: per iteration}, energy_j [per iteration] and power_w where they can be read}
 * unexplained is the share of the turns' time, by the harness's own clock, that lies in no sample (hand-over, parking, or a forger).
 * Of a cell on the card also the readings of probe/gpu.def, and gpu_throttled: samples dropped because the card's clock was held down.
 * overhead is the time of an empty body of the same iterations over the median sample. EXIT_CODE_CANNOT_JUDGE: more than 1 % of
 * the samples were voided by the clock, or none is left but throttled ones. Other faults are worker_turn's.
 */
json_t *sampling_generation(struct worker *worker, const struct sampling *sampling, struct fault *fault);

/*
 * The same for an open cell of kind "stream": each request's latency is a sample of one iteration. Adds {throughput, utilisation}:
 * requests answered a second, and the share of the time in which one was served.
 */
json_t *sampling_stream(struct worker *worker, const struct sampling *sampling, struct fault *fault);

/*
 * Iterations for the next attempt when `iterations` took `ns` and `aim_ns` is wanted: grows at most 100-fold, at least by one,
 * never beyond 2^53.
 */
uint64_t sampling_next_iterations(uint64_t iterations, double ns, double aim_ns);

#endif
