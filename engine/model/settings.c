/* SPDX-License-Identifier: Apache-2.0 */
#include "model/settings.h"

#include "core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A parameter: how its text is taken, and what would be right. */
struct row {
    const char *name;
    bool (*take)(const char *value, void *into);
    const char *expected;
};

static bool whole(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *out >= least && *out <= most;
}

static bool index_of(const char *const *names, const char *name, size_t *out)
{
    for (*out = 0; names[*out]; ++*out)
        if (strcmp(names[*out], name) == 0)
            return true;
    return false;
}

/* ---- of a runner */

static bool take_backend(const char *value, void *into)
{
    ((struct tern_settings *)into)->plan.backend = value; /* read before the call returns */
    return true;
}

static bool take_threads(const char *value, void *into)
{
    uint64_t n = 0;
    bool ok = strcmp(value, "auto") == 0 || whole(value, 0, TERN_THREADS_MAX, &n);
    ((struct tern_settings *)into)->plan.threads = (int)n;
    return ok;
}

static bool take_activations(const char *value, void *into)
{
    static const char *const names[] = {"int8", "f32", NULL};
    size_t i;
    bool ok = index_of(names, value, &i);
    ((struct tern_settings *)into)->plan.precision = (enum tern_precision)i;
    return ok;
}

static bool take_level(const char *value, void *into)
{
    return tern_level_named(value, &((struct tern_settings *)into)->plan.level);
}

static bool take_preset(const char *value, void *into)
{
    return tern_preset_named(value, &((struct tern_settings *)into)->plan);
}

static bool take_output(const char *value, void *into)
{
    return tern_output_named(value, &((struct tern_settings *)into)->plan.output);
}

static bool take_storage(const char *value, void *into)
{
    static const char *const names[] = {"int8", "2bit", "base3", "table3", "planes", "auto", NULL};
    size_t i;
    bool ok = index_of(names, value, &i);
    ((struct tern_settings *)into)->plan.storage = (enum tern_storage)i;
    return ok;
}

static bool take_order(const char *value, void *into)
{
    return tern_i2s_order_named(value, &((struct tern_settings *)into)->model.i2s_order);
}

static bool take_map_from(const char *value, void *into)
{
    return whole(value, 0, SIZE_MAX, &((struct tern_settings *)into)->model.file.map_from);
}

static bool take_context(const char *value, void *into)
{
    return whole(value, 0, 1u << 24, &((struct tern_settings *)into)->session.context);
}

static bool take_sequences(const char *value, void *into)
{
    return whole(value, 1, 1u << 20, &((struct tern_settings *)into)->session.sequences);
}

static bool take_rows(const char *value, void *into)
{
    uint64_t n;
    bool ok = whole(value, 1, 1u << 16, &n);
    ((struct tern_settings *)into)->session.rows = n;
    return ok;
}

static bool take_cache(const char *value, void *into)
{
    static const char *const names[] = {"f32", "f16", "i8", NULL};
    size_t i;
    bool ok = index_of(names, value, &i);
    ((struct tern_settings *)into)->cache = (enum cuda_cache)i;
    return ok;
}

static bool take_batch(const char *value, void *into)
{
    return whole(value, 1, 1u << 16, &((struct tern_settings *)into)->plan.batch);
}

static const struct row runner_rows[] = {
    {"backend", take_backend, "a backend"},
    {"threads", take_threads, "auto, or a number of threads"},
    {"activations", take_activations, "int8 or f32"},
    {"level", take_level, "none, basic or aggressive"},
    {"preset", take_preset, "optimized_for_speed or optimized_for_memory"},
    {"output", take_output, "auto, exact, int8 or int4"},
    {"storage", take_storage, "auto, int8, 2bit, base3, table3 or planes"},
    {"i2s_order", take_order, "128, 64 or rows"},
    {"map_from", take_map_from, "a number of bytes"},
    {"context", take_context, "a number of positions"},
    {"sequences", take_sequences, "a number of sequences"},
    {"rows", take_rows, "a number of rows, at most 65536"},
    {"cache", take_cache, "f32, f16 or i8"},
    {"batch", take_batch, "a number of rows, at most 65536"},
};

/* ---- of a synthetic model */

static bool take_like(const char *value, void *into)
{
    return tern_synth_named(value, into); /* the shape brings its own defaults, so it is taken first */
}

static bool take_architecture(const char *value, void *into)
{
    static const char *const names[] = {"bitnet", "bitnet-b1.58", "bitnet-25", NULL};
    size_t i;
    bool ok = index_of(names, value, &i);
    ((struct tern_synth *)into)->architecture = names[i];
    return ok;
}

static bool take_type(const char *value, bool is_ternary, enum tern_type *out)
{
    const struct tern_type_row *row = tern_type_named(value);
    if (!row || tern_type_is_ternary((enum tern_type)row->id) != is_ternary)
        return false;
    *out = (enum tern_type)row->id;
    return true;
}

static bool take_weights(const char *value, void *into)
{
    return take_type(value, true, &((struct tern_synth *)into)->weights);
}

static bool take_embedding(const char *value, void *into)
{
    return take_type(value, false, &((struct tern_synth *)into)->embedding);
}

static bool take_head(const char *value, void *into)
{
    ((struct tern_synth *)into)->is_untied = strcmp(value, "own") == 0;
    return ((struct tern_synth *)into)->is_untied || strcmp(value, "tied") == 0;
}

static bool take_seed(const char *value, void *into)
{
    return whole(value, 0, UINT64_MAX, &((struct tern_synth *)into)->seed);
}

static const struct row synth_rows[] = {
    {"like", take_like, "tiny, small, medium, large or 2b4t"},
    {"architecture", take_architecture, "bitnet, bitnet-b1.58 or bitnet-25"},
    {"weights", take_weights, "I2_S, TQ1_0 or TQ2_0"},
    {"embedding", take_embedding, "F32, F16, BF16, Q8_0, Q6_K or Q4_K"},
    {"output", take_head, "tied or own"},
    {"seed", take_seed, "a whole number"},
};

/* Takes the parameters in the order of the rows, so that a row may give others their defaults. */
static enum tern_status take(const struct row *rows, size_t n_rows, const struct tern_param *params, size_t n, void *into, struct tern_error *error)
{
    for (size_t p = 0; p < n; p++) {
        size_t r = 0;
        while (r < n_rows && strcmp(rows[r].name, params[p].name) != 0)
            r++;
        if (r == n_rows)
            return tern_error_set(error, TERN_INVALID, "a model has no parameter \"%s\" (value \"%s\")", params[p].name, params[p].value);
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t p = 0; p < n; p++)
            if (strcmp(rows[r].name, params[p].name) == 0 && !rows[r].take(params[p].value, into))
                return tern_error_set(error, TERN_INVALID, "parameter %s: expected %s, found \"%s\"", rows[r].name, rows[r].expected, params[p].value);
    return TERN_OK;
}

enum tern_status tern_settings_read(const struct tern_param *params, size_t n, struct tern_settings *out, struct tern_error *error)
{
    *out = (struct tern_settings){.plan = tern_plan_defaults(), .cache = CUDA_CACHES};
    return take(runner_rows, sizeof runner_rows / sizeof *runner_rows, params, n, out, error);
}

enum tern_status tern_settings_synth(const struct tern_param *params, size_t n, struct tern_synth *out, struct tern_error *error)
{
    tern_synth_named("small", out);
    return take(synth_rows, sizeof synth_rows / sizeof *synth_rows, params, n, out, error);
}
