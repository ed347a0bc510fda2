/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/sampling.h"

#include "probe/counters.h"
#include "stats/summary.h"

#include <math.h>
#include <stdlib.h>

enum { WARM_SAMPLES = 4, TURN_SAMPLES = 8, EMPTY_SAMPLES = 5 };

struct sampling sampling_default(void)
{
    return (struct sampling){.sample_ns = 1e6, .warm_ns = 30e6, .generation_ns = 300e6, .card_ns = 450e6, .samples = 20, .generations = 3};
}

double sampling_floor_ns(const struct clock_quality *clock)
{
    return fmax(200 * clock->cost_ns, 100 * clock->resolution_ns);
}

struct sampling sampling_for_budget(double budget_ns, size_t cells, const struct clock_quality *clock)
{
    struct sampling s = sampling_default();
    double whole_ns = 25e6, start_ns = 8e6;  /* plan, host and files; a worker's start and first cell: seen on a 2-core machine */
    double n = (double)(cells ? cells : 1);
    s.generations = budget_ns / n > 200e6 ? 3 : 2;
    double each = fmax((budget_ns - whole_ns - s.generations * start_ns) / (n * s.generations), 1e6);
    s.samples = (unsigned)fmin(20, fmax(5, each / 2e6));
    s.sample_ns = fmin(1e6, fmax(each * 0.5 / s.samples, sampling_floor_ns(clock)));
    s.warm_ns = fmin(30e6, each * 0.2);
    s.generation_ns = fmin(300e6, each * 0.6);
    s.card_ns = each > 2 * s.card_ns ? s.card_ns : 0;
    return s;
}

uint64_t sampling_next_iterations(uint64_t iterations, double ns, double aim_ns)
{
    double factor = ns > 0 ? aim_ns / ns : 100;
    double next = ceil((double)iterations * fmin(100, factor));
    if (next < (double)iterations + 1)
        next = (double)iterations + 1;
    return next < 9007199254740992.0 ? (uint64_t)next : 9007199254740992u;
}

/* Median of the samples that the clock did not void; 0 when none is left. */
static double median_of(const double *ns, size_t n)
{
    double kept[WORKER_SAMPLES];
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (ns[i] > 0)
            kept[m++] = ns[i];
    struct summary s;
    return m && summary_of(kept, m, &s) ? s.median : 0;
}

static bool one_turn(struct worker *worker, enum worker_verb verb, uint64_t iterations, uint32_t samples, double *ns, struct worker_usage *usage,
                     struct fault *fault)
{
    struct worker_turn turn = {.verb = verb, .iterations = iterations, .samples = samples};
    return worker_turn(worker, &turn, ns, usage, fault);
}

/* At a millisecond a sample, more iterations would take less than a thousandth of a cycle each: the body does not do its work n times. */
static const uint64_t iterations_max = 10000000000000u;

/* Finds iterations whose sample is about `aim_ns` long: grows from one until a sample is within a fifth of it. */
static bool calibrate(struct worker *worker, double aim_ns, uint64_t *iterations, double *sample_ns, struct fault *fault)
{
    uint64_t n = 1;
    for (;;) {
        double ns;
        if (!one_turn(worker, WORKER_VERB_TURN, n, 1, &ns, NULL, fault))
            return false;
        *iterations = n;
        *sample_ns = ns;
        if (ns >= 0.8 * aim_ns)
            return true;
        if (n >= iterations_max)
            return ns <= 0 ? fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the clock does not move while the subject runs") : fault_set(fault, EXIT_CODE_FAILED, "the body takes %.3g ns for %llu iterations: it does not do its work n times", ns, (unsigned long long)n);
        n = sampling_next_iterations(n, ns, aim_ns);
    }
}

/* Corrects n when the body turned out faster or slower once warm (a loop was compiled, memory was touched). */
static uint64_t corrected(uint64_t iterations, double ns, double aim_ns)
{
    double wanted = (double)iterations * aim_ns / ns;
    if (ns <= 0 || (wanted > 0.75 * (double)iterations && wanted < 1.25 * (double)iterations))
        return iterations;
    return (uint64_t)fmax(1, fmin(wanted, 9007199254740992.0));
}

/* Runs until the medians of three batches in a row lie within 2 %, or the time for it is used up. */
static bool warm_up(struct worker *worker, const struct sampling *s, uint64_t *iterations, double first_ns, struct fault *fault)
{
    double medians[3] = {first_ns, 0, 0}, used = first_ns, ns[WORKER_SAMPLES];
    for (int batch = 1; used < s->warm_ns; batch++) {
        uint32_t samples = used + WARM_SAMPLES * medians[0] < s->warm_ns ? WARM_SAMPLES : 1;
        if (!one_turn(worker, WORKER_VERB_TURN, *iterations, samples, ns, NULL, fault))
            return false;
        medians[2] = medians[1];
        medians[1] = medians[0];
        medians[0] = median_of(ns, samples);
        used += fmax(1000, medians[0]) * samples;
        uint64_t better = corrected(*iterations, medians[0], s->sample_ns);
        double high = fmax(medians[0], fmax(medians[1], medians[2])), low = fmin(medians[0], fmin(medians[1], medians[2]));
        if (better != *iterations) {
            *iterations = better;
            medians[0] = medians[1] = 0;  /* batches of other lengths are not compared */
        } else if (batch >= 2 && low > 0 && high <= 1.02 * low)
            break;
    }
    return true;
}

struct taken {
    double *ns;
    size_t n, voided;
    size_t throttled; /* dropped: taken at a throttled clock of the card */
    double total_ns;  /* of all samples, voided ones included as nothing */
    struct worker_usage usage;
    json_t *dropped;  /* [[place among all that were taken, why]]; NULL: none */
};

static void drop(struct taken *taken, const char *why)
{
    if (!taken->dropped)
        taken->dropped = json_array();
    json_array_append_new(taken->dropped, json_pack("[I, s]", (json_int_t)(taken->n + json_array_size(taken->dropped)), why));
}

static void add_usage(struct worker_usage *sum, const struct worker_usage *one)
{
    sum->cpu_ns += one->cpu_ns;
    sum->faults += one->faults;
    sum->switches += one->switches;
    sum->peak_bytes = fmax(sum->peak_bytes, one->peak_bytes);
    sum->wall_ns += one->wall_ns;
    card_add(&sum->card, &one->card);
    sum->energy_j = sum->energy_j < 0 || one->energy_j < 0 ? -1 : sum->energy_j + one->energy_j;
    for (int i = 0; i < COUNTERS; i++)
        sum->counters[i] = sum->counters[i] < 0 || one->counters[i] < 0 ? -1 : sum->counters[i] + one->counters[i];
}

/* Takes one turn's samples; voided and throttled ones are counted and taken again by the caller. */
static bool take_turn(struct worker *worker, uint64_t iterations, uint32_t samples, struct taken *taken, struct fault *fault)
{
    double ns[WORKER_SAMPLES];
    struct worker_usage usage;
    if (!one_turn(worker, WORKER_VERB_TURN, iterations, samples, ns, &usage, fault))
        return false;
    add_usage(&taken->usage, &usage);
    for (uint32_t i = 0; i < samples; i++) {
        taken->total_ns += ns[i];
        if (usage.card.slowed >> i & 1) {
            taken->throttled++;
            drop(taken, "throttled");
        } else if (ns[i] > 0)
            taken->ns[taken->n++] = ns[i];
        else {
            taken->voided++;
            drop(taken, "voided by the clock");
        }
    }
    return true;
}

/* A card that stays throttled for this many times the samples wanted will not recover while it is asked for more. */
enum { THROTTLED_TIMES = 3 };

static bool is_throttled_out(const struct taken *taken, const struct sampling *s)
{
    return taken->throttled >= (size_t)THROTTLED_TIMES * s->samples;
}

static bool keep_fit(const struct taken *taken, struct fault *fault)
{
    char why[128];
    if (taken->n > 0 || taken->throttled == 0)
        return true;
    return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "all %zu samples were taken at a throttled clock of the card: %s", taken->throttled,
                     gpu_slow_text(taken->usage.card.slow_reasons, why, sizeof why));
}

/* Runs on, untimed, until the card's slow sensors have seen this cell alone. */
static bool run_on(struct worker *worker, const struct sampling *s, uint64_t iterations, uint64_t begun, struct taken *taken, struct fault *fault)
{
    double ns[WORKER_SAMPLES], each = taken->total_ns / (double)(taken->n + taken->throttled);
    uint32_t samples = (uint32_t)fmax(1, fmin(TURN_SAMPLES, 20e6 / each));
    struct worker_usage usage;
    while (taken->usage.card.is_watched && clock_delta_ns(begun, clock_now_ns()) < s->card_ns) {
        if (!one_turn(worker, WORKER_VERB_TURN, iterations, samples, ns, &usage, fault))
            return false;
        card_add(&taken->usage.card, &usage.card);
    }
    return true;
}

static bool take_samples(struct worker *worker, const struct sampling *s, uint64_t iterations, struct taken *taken, struct fault *fault)
{
    while (taken->n < s->samples && (taken->n < SAMPLING_LEAST || taken->total_ns < s->generation_ns) && !is_throttled_out(taken, s)) {
        size_t left = s->samples - taken->n;
        size_t all = taken->n + taken->throttled;
        double expected = all ? taken->total_ns / (double)all : s->sample_ns;
        size_t fits = expected > 0 ? (size_t)fmax(1, s->generation_ns / 4 / expected) : TURN_SAMPLES;
        uint32_t samples = (uint32_t)(left < TURN_SAMPLES ? left : TURN_SAMPLES);
        if (samples > fits)
            samples = (uint32_t)fits;
        if (!take_turn(worker, iterations, samples, taken, fault))
            return false;
        if (taken->voided > 2 && (double)taken->voided > 0.01 * (double)(taken->n + taken->voided) && taken->voided >= s->samples)
            break;
    }
    if ((double)taken->voided > 0.01 * (double)(taken->n + taken->voided) && taken->voided > 1)
        return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the clock stood still or stepped back in %zu of %zu samples", taken->voided, taken->n + taken->voided);
    return keep_fit(taken, fault);
}

/* Hardware counters per iteration; those that are absent are left out. */
static json_t *counters_of(const struct worker_usage *usage, double iterations)
{
    json_t *counters = json_object();
    for (int i = 0; i < COUNTERS; i++)
        if (usage->counters[i] >= 0)
            json_object_set_new(counters, counter_names[i], json_real(usage->counters[i] / iterations));
    return counters;
}

/* Energy per iteration and power, where they can be read. */
static void add_energy(json_t *generation, const struct worker_usage *usage, double iterations)
{
    if (usage->energy_j < 0 || usage->wall_ns <= 0)
        return;
    json_object_set_new(generation, "energy_j", json_real(usage->energy_j / iterations));
    json_object_set_new(generation, "power_w", json_real(usage->energy_j / usage->wall_ns * 1e9));
}

static json_t *describe(const struct taken *taken, uint64_t iterations, double empty_ns)
{
    json_t *samples = json_array();
    double per = (double)iterations;
    struct summary s = {0};
    summary_of(taken->ns, taken->n, &s);
    for (size_t i = 0; i < taken->n; i++)
        json_array_append_new(samples, json_real(taken->ns[i] / per));
    double all = per * (double)(taken->n + taken->voided + taken->throttled);
    double unexplained = taken->usage.wall_ns > 0 ? 1 - taken->total_ns / taken->usage.wall_ns : 0;
    json_t *generation = json_pack("{s:I,s:o,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "iterations", (json_int_t)iterations, "samples_ns", samples, "voided",
                     (json_int_t)taken->voided, "overhead", s.median > 0 ? empty_ns / s.median : 0.0, "empty_ns", empty_ns, "cpu_ns",
                     taken->usage.cpu_ns / all, "faults", taken->usage.faults / all, "switches", taken->usage.switches, "peak_bytes",
                     taken->usage.peak_bytes, "unexplained", unexplained, "counters", counters_of(&taken->usage, all));
    if (taken->dropped)
        json_object_set(generation, "dropped", taken->dropped);
    add_energy(generation, &taken->usage, all);
    card_describe(generation, &taken->usage.card, taken->throttled);
    return generation;
}

json_t *sampling_generation(struct worker *worker, const struct sampling *s, struct fault *fault)
{
    uint64_t iterations = 1;
    double first_ns = 0, empty[WORKER_SAMPLES];
    uint64_t begun = clock_now_ns();
    struct taken taken = {.ns = calloc(s->samples + TURN_SAMPLES, sizeof(double))};
    json_t *generation = NULL;
    bool ok = taken.ns && calibrate(worker, s->sample_ns, &iterations, &first_ns, fault) && warm_up(worker, s, &iterations, first_ns, fault) &&
              take_samples(worker, s, iterations, &taken, fault) && run_on(worker, s, iterations, begun, &taken, fault) &&
              one_turn(worker, WORKER_VERB_EMPTY, iterations, EMPTY_SAMPLES, empty, NULL, fault);
    if (ok)
        generation = describe(&taken, iterations, median_of(empty, EMPTY_SAMPLES));
    json_decref(taken.dropped);
    free(taken.ns);
    return generation;
}

/* Warms the subject up with requests one after the other, for at most the warm-up's time. */
static bool warm_stream(struct worker *worker, const struct sampling *s, struct fault *fault)
{
    double ns[WORKER_SAMPLES], used = 0;
    for (int turn = 0; turn < 8 && used < s->warm_ns; turn++) {
        if (!one_turn(worker, WORKER_VERB_TURN, 1, WARM_SAMPLES, ns, NULL, fault))
            return false;
        used += WARM_SAMPLES * median_of(ns, WARM_SAMPLES);
    }
    return true;
}

/* A latency of nothing is the clock's fault: voided like a sample. */
static void take_latencies(const json_t *latencies, struct taken *taken)
{
    size_t i;
    json_t *value;
    json_array_foreach(latencies, i, value) {
        double ns = json_number_value(value);
        if (ns > 0 && ns < 1e18)
            taken->ns[taken->n++] = ns;
        else {
            taken->voided++;
            drop(taken, "voided by the clock");
        }
        taken->total_ns += ns > 0 ? ns : 0;
    }
}

json_t *sampling_stream(struct worker *worker, const struct sampling *s, struct fault *fault)
{
    double empty[WORKER_SAMPLES];
    if (!warm_stream(worker, s, fault) || !one_turn(worker, WORKER_VERB_EMPTY, 1, EMPTY_SAMPLES, empty, NULL, fault))
        return NULL;
    struct worker_usage usage = {0};
    json_t *answer = worker_stream(worker, &usage, fault), *generation = NULL;
    const json_t *latencies = json_object_get(answer, "latencies_ns");
    double busy = json_number_value(json_object_get(answer, "busy_ns")), wall = json_number_value(json_object_get(answer, "wall_ns"));
    struct taken taken = {.ns = calloc(json_array_size(latencies) + 1, sizeof(double)), .usage = usage};
    if (taken.ns && wall > 0) {
        take_latencies(latencies, &taken);
        if ((double)taken.voided > 0.01 * (double)(taken.n + taken.voided))
            fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the clock stood still or stepped back in %zu of %zu requests", taken.voided, taken.n + taken.voided);
        else {
            generation = describe(&taken, 1, median_of(empty, EMPTY_SAMPLES));
            json_object_del(generation, "unexplained");  /* latencies overlap: their sum explains no time */
            json_object_set_new(generation, "throughput", json_real((double)taken.n / wall * 1e9));
            json_object_set_new(generation, "utilisation", json_real(busy / wall));
        }
    } else if (answer)
        fault_set(fault, EXIT_CODE_FAILED, "answered with something else than latencies");
    json_decref(taken.dropped);
    free(taken.ns);
    json_decref(answer);
    return generation;
}
