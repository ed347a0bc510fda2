/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/exercise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/pool_fast.h"

struct tern_exercise {
    struct tern_exercise_part part[TERN_EXERCISE_PARTS];
    unsigned n_threads, n_draws, n_parts, n_started; /* n_parts: the most of threads and draws, one of which is 1 */
    unsigned at;                                     /* the draw whose turn is next */
    tern_exercise_loop *loop, *mixer;                /* mixer: before each turn of a draw; NULL: nothing is */
    bool is_own;
    uint32_t size[TERN_EXERCISE_PARTS][TERN_EXERCISE_SIZES];
    struct tern_exercise_queue queue[TERN_EXERCISE_THREADS / 2];
    struct tern_trace_play trace;
    size_t low, high, live;
    double resident, ticks;
    double untrimmed, trimmed;
    /* workers wait for `round` to change, and the last of them wakes the caller */
    pthread_mutex_t lock;
    pthread_cond_t go, done;
    uint64_t round, n;
    unsigned busy;
    bool is_over;
};

/* ---- the engine's own, in malloc's shape: a pool besides the default one, with everything, without counts, without marks */

static struct tern_pool *own_pool;
static unsigned n_on_own_pool; /* exercises; the last to be closed closes it */

#define OWN(name, counted, marked) \
    static void *take_##name(size_t bytes) \
    { \
        return tern_fast_take(own_pool, own_pool->key, bytes, 16, TERN_TAG_OTHER, NULL, counted, marked); \
    } \
    static void give_##name(void *block) \
    { \
        tern_fast_give(own_pool, own_pool->key, block, counted, marked); \
    }
OWN(whole, true, true)
OWN(uncounted, false, true)
OWN(unmarked, true, false)

static const struct own {
    const char *name;
    struct tern_allocator allocator;
    tern_exercise_loop *loop; /* null: the pattern's */
    bool is_uncounted, is_unmarked;
} owns[] = {
    {"pool", {tern_memory_take, tern_memory_give}, NULL, false, false},
    {"pool-whole", {take_whole, give_whole}, NULL, false, false},
    {"pool-uncounted", {take_uncounted, give_uncounted}, NULL, true, false},
    {"pool-unmarked", {take_unmarked, give_unmarked}, NULL, false, true},
    {"arena", {NULL, NULL}, tern_exercise_arena, false, false},
    {"ring", {NULL, NULL}, tern_exercise_ring, false, false},
};

/* Those that are open at once share the first one's. */
static enum tern_status open_own_pool(const struct own *own, struct tern_error *error)
{
    const struct tern_pool_options options = {.name = "exercise", .is_untracked = own->is_uncounted};
    const enum tern_status status = n_on_own_pool ? TERN_OK : tern_pool_open(&options, &own_pool, error);
    if (status)
        return status;
    n_on_own_pool++;
    own_pool->is_unmarked = own->is_unmarked;
    return TERN_OK;
}

static void leave_own_pool(void)
{
    if (--n_on_own_pool)
        return;
    tern_pool_close(own_pool);
    own_pool = NULL;
}

/* ---- parameters */

static const struct tern_param defaults[] = {
    {"allocator", "pool"}, {"pattern", "random"}, {"low", "16"}, {"high", "4096"}, {"live", "0"}, {"threads", "1"},
    {"touch", "first"}, {"trace", ""}, {"timed", "0"}, {"seed", "1"}, {"draws", "1"},
};
enum { N_PARAMS = sizeof defaults / sizeof *defaults };

struct request {
    const struct tern_param *params;
    size_t n;
    struct tern_error *error;
};

static const char *text_of(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->n; i++)
        if (!strcmp(request->params[i].name, name))
            return request->params[i].value;
    for (size_t i = 0; i < N_PARAMS; i++)
        if (!strcmp(defaults[i].name, name))
            return defaults[i].value;
    return "";
}

static enum tern_status bad(const struct request *request, const char *name, const char *expected)
{
    return tern_error_set(request->error, TERN_INVALID, "exercise: parameter %s: expected %s, found \"%s\"", name, expected, text_of(request, name));
}

static enum tern_status check_names(const struct request *request)
{
    for (size_t i = 0; i < request->n; i++) {
        size_t k = 0;
        while (k < N_PARAMS && strcmp(defaults[k].name, request->params[i].name))
            k++;
        if (k == N_PARAMS)
            return tern_error_set(request->error, TERN_INVALID, "exercise: there is no parameter \"%s\"", request->params[i].name);
    }
    return TERN_OK;
}

static enum tern_status number_of(const struct request *request, const char *name, size_t least, size_t most, size_t *out)
{
    char *end, expected[80];
    const char *text = text_of(request, name);
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && value >= least && value <= most) {
        *out = (size_t)value;
        return TERN_OK;
    }
    snprintf(expected, sizeof expected, "a whole number from %zu to %zu", least, most);
    return bad(request, name, expected);
}

/* ---- making */

/* Of each thread its own; of draws the same ones, so that a branch predictor learns them once. */
static void make_sizes(struct tern_exercise *exercise, uint64_t seed)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u | 1;
    for (unsigned t = 0; t < exercise->n_threads; t++)
        for (unsigned i = 0; i < TERN_EXERCISE_SIZES; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            const double share = (double)(random >> 11) * 0x1p-53;
            exercise->size[t][i] = (uint32_t)((double)exercise->low * pow((double)exercise->high / (double)exercise->low, share));
        }
    for (unsigned t = 1; t < exercise->n_draws; t++)
        memcpy(exercise->size[t], exercise->size[0], sizeof exercise->size[0]);
}

/* Fewer live blocks of big sizes: about 64 MiB a thread at most, 8 blocks at least. */
static size_t usual_live(size_t high)
{
    const size_t fit = ((size_t)64 << 20) / high;
    return fit > 256 ? 256 : fit < 8 ? 8 : fit;
}

/* The last row, without a name, where there is none. */
static const struct tern_exercise_pattern *pattern_named(const char *name)
{
    const struct tern_exercise_pattern *row = tern_exercise_patterns;
    while (row->name && strcmp(row->name, name))
        row++;
    return row;
}

static enum tern_status set_pattern(struct tern_exercise *exercise, const struct request *request)
{
    const char *pattern = text_of(request, "pattern");
    const struct tern_exercise_pattern *row = pattern_named(pattern);
    if (!row->name)
        return bad(request, "pattern", "pair, lifo, fifo, random, cross, trace or open");
    if (row->is_pairs && exercise->n_threads % 2)
        return bad(request, "threads", "an even number for the pattern cross");
    exercise->loop = row->loop;
    exercise->mixer = exercise->n_draws > 1 && !strcmp(pattern, "pair") ? pattern_named("random")->loop : NULL;
    if (strcmp(pattern, "trace"))
        return TERN_OK;
    const enum tern_status status = tern_trace_load(text_of(request, "trace"), &exercise->trace, request->error);
    if (!status && !exercise->trace.n_events)
        return bad(request, "trace", "a trace with events");
    exercise->live = exercise->trace.n_blocks;
    return status;
}

static enum tern_status set_allocator(struct tern_exercise *exercise, const struct request *request, struct tern_allocator *allocator)
{
    if (allocator->take && allocator->give)
        return TERN_OK;
    for (size_t i = 0; i < sizeof owns / sizeof *owns; i++) {
        const struct own *own = &owns[i];
        if (strcmp(own->name, text_of(request, "allocator")))
            continue;
        const enum tern_status status = open_own_pool(own, request->error);
        if (status)
            return status;
        *allocator = own->allocator;
        exercise->is_own = true;
        exercise->loop = own->loop ? own->loop : exercise->loop;
        return TERN_OK;
    }
    return bad(request, "allocator", "one of the engine's (pool, arena, ring …), or functions to call");
}

static enum tern_status set_touch(struct tern_exercise *exercise, const struct request *request)
{
    static const char *const words[] = {"none", "first", "pages", "all"};
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(words[i], text_of(request, "touch"))) {
            for (unsigned t = 0; t < TERN_EXERCISE_PARTS; t++)
                exercise->part[t].touch = (enum tern_exercise_touch)i;
            return TERN_OK;
        }
    return bad(request, "touch", "none, first, pages or all");
}

/* Bytes of as many pieces as are live, one after the other, where that is the most. */
static size_t most_in_a_row(const struct tern_exercise_part *part)
{
    size_t bytes = 0, most = 0;
    for (size_t i = 0; i < 2 * TERN_EXERCISE_SIZES; i++) {
        bytes += part->size[i % TERN_EXERCISE_SIZES] + 64;
        if (i >= part->n_live)
            bytes -= part->size[(i - part->n_live) % TERN_EXERCISE_SIZES] + 64;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* The workload's own memory comes from the C library, in all cases the same. */
static enum tern_status set_part(struct tern_exercise *exercise, unsigned t, const struct tern_allocator *allocator, struct tern_error *error)
{
    struct tern_exercise_part *part = &exercise->part[t];
    part->exercise = exercise;
    part->allocator = *allocator;
    part->id = t;
    part->n_live = (unsigned)exercise->live;
    part->random = 0x9e3779b97f4a7c15u * (t + 1);
    part->size = exercise->size[t];
    part->queue = &exercise->queue[t / 2 % (TERN_EXERCISE_THREADS / 2)];
    part->trace = &exercise->trace;
    part->live = calloc(exercise->live, sizeof *part->live);
    part->live_size = calloc(exercise->live, sizeof *part->live_size);
    if (!part->live || !part->live_size)
        return tern_error_memory(error, "an exercise", exercise->live * sizeof *part->live);
    enum tern_status status = TERN_OK;
    if (exercise->loop == tern_exercise_arena)
        status = tern_arena_open(&part->arena, own_pool, most_in_a_row(part), TERN_TAG_SCRATCH, error);
    if (exercise->loop == tern_exercise_ring)
        status = tern_ring_open(own_pool, most_in_a_row(part) + 2 * (exercise->high + 64), exercise->live + 1, TERN_TAG_STREAM, &part->ring, error);
    return status;
}

/* ---- threads */

static void *work(void *data)
{
    struct tern_exercise_part *part = data;
    struct tern_exercise *exercise = part->exercise;
    uint64_t seen = 0;
    pthread_mutex_lock(&exercise->lock);
    for (;;) {
        while (exercise->round == seen && !exercise->is_over)
            pthread_cond_wait(&exercise->go, &exercise->lock);
        if (exercise->is_over)
            break;
        seen = exercise->round;
        pthread_mutex_unlock(&exercise->lock);
        exercise->loop(part, exercise->n);
        pthread_mutex_lock(&exercise->lock);
        if (--exercise->busy == 0)
            pthread_cond_signal(&exercise->done);
    }
    pthread_mutex_unlock(&exercise->lock);
    return NULL;
}

enum { MIXING_STEPS = 128 };

void tern_exercise_run(void *data, uint64_t n)
{
    struct tern_exercise *exercise = data;
    if (exercise->n_started) {
        pthread_mutex_lock(&exercise->lock);
        exercise->n = n;
        exercise->busy = exercise->n_started;
        exercise->round++;
        pthread_cond_broadcast(&exercise->go);
        pthread_mutex_unlock(&exercise->lock);
    }
    struct tern_exercise_part *part = &exercise->part[exercise->at];
    if (exercise->mixer)
        exercise->mixer(part, MIXING_STEPS);
    exercise->loop(part, n);
    exercise->at = exercise->at + 1 == exercise->n_draws ? 0 : exercise->at + 1;
    if (exercise->n_started) {
        pthread_mutex_lock(&exercise->lock);
        while (exercise->busy)
            pthread_cond_wait(&exercise->done, &exercise->lock);
        pthread_mutex_unlock(&exercise->lock);
    }
}

static enum tern_status start_threads(struct tern_exercise *exercise, struct tern_error *error)
{
    for (unsigned t = 1; t < exercise->n_threads; t++) {
        const int failure = pthread_create(&exercise->part[t].thread, NULL, work, &exercise->part[t]);
        if (failure)
            return tern_error_set(error, TERN_IO, "exercise: thread %u: %s", t, strerror(failure));
        exercise->n_started++;
    }
    return TERN_OK;
}

static void stop_threads(struct tern_exercise *exercise)
{
    pthread_mutex_lock(&exercise->lock);
    exercise->is_over = true;
    pthread_cond_broadcast(&exercise->go);
    pthread_mutex_unlock(&exercise->lock);
    for (unsigned t = 1; t <= exercise->n_started; t++)
        pthread_join(exercise->part[t].thread, NULL);
}

/* ---- what the system says */

/* A line of /proc/self/status in bytes; 0 when it is not there. */
static double status_bytes(const char *name)
{
    char line[128];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            kib = strtod(line + strlen(name), NULL);
    if (file)
        fclose(file);
    return kib * 1024;
}

/* The peak of what is resident counts from now on. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static struct tern_pool *pool_of(const struct tern_exercise *exercise)
{
    return exercise->part[0].allocator.take == tern_memory_take ? tern_pool_default() : own_pool;
}

static double held_by(struct tern_pool *pool)
{
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    return (double)stats.held;
}

void tern_exercise_trim(void *data, uint64_t n)
{
    struct tern_exercise *exercise = data;
    struct tern_pool *pool = pool_of(exercise);
    while (n--) {
        tern_exercise_run(exercise, 4 * exercise->live);
        for (unsigned t = 0; t < exercise->n_parts; t++)
            tern_exercise_drop(&exercise->part[t]);
        exercise->untrimmed = held_by(pool);
        tern_pool_trim(pool);
        exercise->trimmed = held_by(pool);
    }
}

static void read_own(struct tern_exercise *exercise, struct tern_exercise_report *report)
{
    struct tern_pool_stats stats;
    tern_pool_stats(pool_of(exercise), &stats);
    report->pool_live = (double)stats.total.live;
    report->pool_held = (double)stats.held;
    report->pool_held_peak = (double)stats.held_peak;
    report->untrimmed_bytes = exercise->untrimmed;
    report->trimmed_bytes = exercise->trimmed;
}

void tern_exercise_read(struct tern_exercise *exercise, struct tern_exercise_report *report)
{
    *report = (struct tern_exercise_report){0};
    for (unsigned t = 0; t < exercise->n_parts; t++) {
        report->live_bytes += (double)exercise->part[t].bytes;
        report->live_peak += (double)exercise->part[t].peak;
        report->failures += (double)exercise->part[t].failures;
        report->takes += (double)exercise->part[t].takes;
    }
    report->resident_bytes = status_bytes("VmRSS:") - exercise->resident;
    report->resident_peak = status_bytes("VmHWM:") - exercise->resident;
    report->p50_ns = tern_exercise_percentile(exercise->part, exercise->n_parts, 0.5) / exercise->ticks;
    report->p99_ns = tern_exercise_percentile(exercise->part, exercise->n_parts, 0.99) / exercise->ticks;
    report->p999_ns = tern_exercise_percentile(exercise->part, exercise->n_parts, 0.999) / exercise->ticks;
    report->max_ns = tern_exercise_percentile(exercise->part, exercise->n_parts, 1) / exercise->ticks;
    if (exercise->is_own)
        read_own(exercise, report);
}

/* ---- open, check, close */

static enum tern_status set_numbers(struct tern_exercise *exercise, const struct request *request, size_t *seed)
{
    size_t threads = 0, timed = 0, draws = 0;
    enum tern_status status = number_of(request, "low", 1, 1u << 30, &exercise->low);
    if (!status)
        status = number_of(request, "high", exercise->low, 1u << 30, &exercise->high);
    if (!status)
        status = number_of(request, "live", 0, 1u << 24, &exercise->live);
    if (!status)
        status = number_of(request, "threads", 1, TERN_EXERCISE_THREADS, &threads);
    if (!status)
        status = number_of(request, "timed", 0, 1, &timed);
    if (!status)
        status = number_of(request, "seed", 0, SIZE_MAX, seed);
    if (!status)
        status = number_of(request, "draws", 1, TERN_EXERCISE_PARTS, &draws);
    if (!status && draws > 1 && threads > 1)
        status = bad(request, "draws", "1 where there are several threads");
    if (status)
        return status;
    exercise->n_threads = (unsigned)threads;
    exercise->n_draws = (unsigned)draws;
    exercise->n_parts = (unsigned)(threads > draws ? threads : draws);
    exercise->live = exercise->live ? exercise->live : usual_live(exercise->high);
    for (unsigned t = 0; t < TERN_EXERCISE_PARTS; t++)
        exercise->part[t].is_timed = timed;
    return TERN_OK;
}

static enum tern_status set_up(struct tern_exercise *exercise, const struct request *request, struct tern_allocator *allocator)
{
    size_t seed = 0;
    enum tern_status status = check_names(request);
    if (!status)
        status = set_numbers(exercise, request, &seed);
    if (!status)
        status = set_pattern(exercise, request);
    if (!status)
        status = set_allocator(exercise, request, allocator);
    if (!status)
        status = set_touch(exercise, request);
    if (status)
        return status;
    make_sizes(exercise, seed);
    for (unsigned t = 0; t < exercise->n_parts && !status; t++)
        status = set_part(exercise, t, allocator, request->error);
    return status ? status : start_threads(exercise, request->error);
}

enum tern_status tern_exercise_open(const struct tern_param *params, size_t n, void *(*take)(size_t), void (*give)(void *),
                                    struct tern_exercise **out, struct tern_error *error)
{
    const struct request request = {params, n, error};
    struct tern_allocator allocator = {take, give};
    struct tern_exercise *exercise = aligned_alloc(64, sizeof *exercise);
    *out = NULL;
    if (!exercise)
        return tern_error_memory(error, "an exercise", sizeof *exercise);
    memset(exercise, 0, sizeof *exercise);
    pthread_mutex_init(&exercise->lock, NULL);
    pthread_cond_init(&exercise->go, NULL);
    pthread_cond_init(&exercise->done, NULL);
    const enum tern_status status = set_up(exercise, &request, &allocator);
    if (status) {
        tern_exercise_close(exercise);
        return status;
    }
    exercise->ticks = exercise->part[0].is_timed ? tern_exercise_ticks_per_ns() : 1;
    reset_peak();
    exercise->resident = status_bytes("VmRSS:");
    *out = exercise;
    return TERN_OK;
}

void tern_exercise_close(struct tern_exercise *exercise)
{
    if (!exercise)
        return;
    stop_threads(exercise);
    for (unsigned t = 0; t < exercise->n_parts; t++) {
        struct tern_exercise_part *part = &exercise->part[t];
        if (part->live && part->live_size)
            tern_exercise_drop(part);
        if (part->arena.pool)
            tern_arena_close(&part->arena);
        tern_ring_close(part->ring);
        free(part->live);
        free(part->live_size);
    }
    if (exercise->is_own)
        leave_own_pool();
    tern_trace_free(&exercise->trace);
    pthread_mutex_destroy(&exercise->lock);
    pthread_cond_destroy(&exercise->go);
    pthread_cond_destroy(&exercise->done);
    free(exercise);
}

/* Every block is filled with its number from its first byte to its last, and looked at before it is given. */
static enum tern_status check_blocks(struct tern_exercise_part *part, unsigned char *number, struct tern_error *error)
{
    for (unsigned step = 0; step < 4 * part->n_live; step++) {
        const unsigned i = step % part->n_live;
        const unsigned char *old = part->live[i];
        for (size_t k = 0; old && k < part->live_size[i]; k++)
            if (old[k] != number[i])
                return tern_error_set(error, TERN_WRONG, "exercise: byte %zu of a block of %u was written by another", k, part->live_size[i]);
        if (old)
            part->allocator.give(part->live[i]);
        const size_t bytes = part->size[(step * 7) % TERN_EXERCISE_SIZES];
        part->live_size[i] = (uint32_t)(bytes < 1 << 16 ? bytes : 1 << 16);
        number[i] = (unsigned char)(step | 1);
        if (!(part->live[i] = part->allocator.take(part->live_size[i])))
            return tern_error_set(error, TERN_WRONG, "exercise: no block of %u bytes", part->live_size[i]);
        if ((uintptr_t)part->live[i] % (part->live_size[i] < 16 ? 8 : 16))
            return tern_error_set(error, TERN_WRONG, "exercise: block %p of %u bytes is not aligned", part->live[i], part->live_size[i]);
        memset(part->live[i], number[i], part->live_size[i]);
    }
    return TERN_OK;
}

enum tern_status tern_exercise_check(struct tern_exercise *exercise, struct tern_error *error)
{
    struct tern_exercise_part *part = &exercise->part[0];
    if (!part->allocator.take || exercise->trace.n_events || part->n_live > 1 << 16) {
        tern_exercise_run(exercise, part->n_live < 1000 ? 1000 : part->n_live);
        return part->failures ? tern_error_set(error, TERN_WRONG, "exercise: %llu takes gave nothing", (unsigned long long)part->failures) : TERN_OK;
    }
    unsigned char *number = calloc(part->n_live, 1);
    if (!number)
        return tern_error_memory(error, "an exercise", part->n_live);
    tern_exercise_drop(part);
    const enum tern_status status = check_blocks(part, number, error);
    tern_exercise_drop(part);
    free(number);
    return status;
}
