/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan: a model bound to a backend. It holds the packed weights, which any number of sessions share, and says what it does.
 *
 *   level    a named set of optimisations (levels.def)
 *   preset   a level and a batch size: optimized_for_speed, optimized_for_memory
 *
 * Threads: a plan does not change after it is opened.
 */
#ifndef TERN_PLAN_H
#define TERN_PLAN_H

#include "core/layout.h"
#include "model/output.h"

enum tern_precision { TERN_PRECISION_INT8, TERN_PRECISION_F32 };
enum tern_level { TERN_LEVEL_NONE, TERN_LEVEL_BASIC, TERN_LEVEL_AGGRESSIVE, TERN_LEVELS };

struct tern_features {
#define FEATURE(field, name, none, basic, aggressive, about) bool field;
#include "model/levels.def"
#undef FEATURE
};

struct tern_plan_options {
    const char *backend; /* NULL or "auto": the strongest */
    int threads;         /* 0: all allowed, or 1 where the level uses no threads */
    enum tern_precision precision;
    enum tern_level level;
    enum tern_output_kind output;    /* TERN_OUTPUT_AUTO: what the level says; EXACT in F32 */
    enum tern_storage storage;       /* TERN_STORAGES: what the level says */
    size_t batch;                    /* rows of a usual pass; 0: 1 */
};

struct tern_plan {
    const struct tern_model *model;
    const struct tern_backend *backend;
    struct tern_plan_options options; /* as resolved */
    struct tern_features features;
    struct tern_bound_matrix (*layers)[TERN_N_ROLES]; /* norms are not used */
    struct tern_output output;
    const struct tern_layout_choice *embedding; /* how its rows are read, one a token */
    size_t embedding_row; /* bytes */
    float *norms;                                     /* of all layers and the output, decoded */
    size_t norms_of_layer;
    uint8_t *packed;     /* the layers' packed weights, all in one block: matrices of less than a huge page lie in huge pages too */
    size_t packed_bytes;
    size_t matrix_bytes; /* of the layers' matrices, as one pass reads them */
};

/* The defaults: basic, int8, all threads. */
struct tern_plan_options tern_plan_defaults(void);
/* "none", "basic", "aggressive"; "exact", "int8", "int4", "auto"; false when there is no such name. */
bool tern_level_named(const char *name, enum tern_level *out);
bool tern_output_named(const char *name, enum tern_output_kind *out);
/* "optimized_for_speed": aggressive, batch 64; "optimized_for_memory": none, batch 8. */
bool tern_preset_named(const char *name, struct tern_plan_options *options);
struct tern_features tern_level_features(enum tern_level level);

/* The model must outlive the plan. Errors: those of binding a matrix, and unknown backends. */
enum tern_status tern_plan_open(const struct tern_model *model, const struct tern_plan_options *options, struct tern_plan **out,
                                struct tern_error *err);
void tern_plan_close(struct tern_plan *plan);

/* A norm's weights, decoded: of a layer, or of the output with layer = the number of layers. */
const float *tern_plan_norm(const struct tern_plan *plan, uint32_t layer, enum tern_role role);
const float *tern_plan_output_norm(const struct tern_plan *plan);

/* Writes what the plan does, a line each, to `text`; returns the bytes it has (more than `size`: cut). */
size_t tern_plan_explain(const struct tern_plan *plan, char *text, size_t size);
/* Writes what each level turns on. */
size_t tern_levels_explain(char *text, size_t size);

/* What a plan's weights and the scratch of a layer take, in bytes, beside what they would. */
struct tern_footprint {
    double weights, weights_float;  /* as read; four bytes each */
    double scratch, scratch_apart;  /* one buffer for as long as it is read; a tensor for each step's output */
    double in_place, copied;        /* weights that are read where the mapped file has them, and those packed or read into memory */
};
struct tern_footprint tern_plan_footprint(const struct tern_plan *plan);

/* Bytes of weights that decoding one token reads. */
size_t tern_plan_bytes(const struct tern_plan *plan);

#endif
