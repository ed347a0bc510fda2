/* SPDX-License-Identifier: Apache-2.0
 * What libtern_cuda.so exports: one table, found by name. libtern loads the library when a card is first asked for. */
#ifndef CUDA_FACE_H
#define CUDA_FACE_H

#include "cuda/linear.h"
#include "cuda/replicas.h"
#include "cuda/rival.h"
#include "cuda/session.h"
#include "cuda/split.h"
#include "cuda/stretch.h"

enum { CUDA_FACE_ABI = 8 };
#define CUDA_FACE_SYMBOL "tern_cuda_face"

struct cuda_face {
    int abi;
    const char *(*outcome_name)(enum cuda_outcome);
    enum cuda_outcome (*open)(int ordinal, const char *driver, struct cuda_device **out, struct cuda_fault *fault);
    void (*close)(struct cuda_device *device);
    const struct cuda_info *(*info)(const struct cuda_device *device);
    enum cuda_outcome (*describe)(int ordinal, const char *driver, struct cuda_info *out, struct cuda_fault *fault);
    enum cuda_outcome (*use)(struct cuda_device *device, struct cuda_fault *fault);
    void (*memory_stats)(const struct cuda_device *device, struct tern_pool_stats *stats);
    void (*memory_limit)(struct cuda_device *device, size_t limit);
    enum cuda_outcome (*take)(struct cuda_device *device, size_t bytes, const char *what, struct cuda_memory *out, struct cuda_fault *fault);
    void (*give)(struct cuda_device *device, struct cuda_memory *memory);
    enum cuda_outcome (*upload)(struct cuda_device *device, uint64_t to, const void *from, size_t bytes, const char *what, struct cuda_fault *fault);
    enum cuda_outcome (*fetch)(struct cuda_device *device, void *to, uint64_t from, size_t bytes, const char *what, struct cuda_fault *fault);

    enum cuda_outcome (*linear_bind)(struct cuda_device *, const struct cuda_linear_spec *, struct cuda_linear **, struct cuda_fault *);
    void (*linear_close)(struct cuda_linear *);
    enum cuda_outcome (*linear_run)(struct cuda_linear *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*linear_result)(struct cuda_linear *, float *y, struct cuda_fault *);
    size_t (*linear_weight_bytes)(const struct cuda_linear *);
    const char *(*linear_why)(const struct cuda_linear *);

    enum cuda_outcome (*rival_bind)(struct cuda_device *, const struct cuda_rival_spec *, struct cuda_rival **, struct cuda_fault *);
    void (*rival_close)(struct cuda_rival *);
    enum cuda_outcome (*rival_run)(struct cuda_rival *, uint64_t n, double *ns, struct cuda_fault *);
    const char *(*rival_why)(const struct cuda_rival *);

    enum cuda_outcome (*stretch_bind)(struct cuda_device *, const struct cuda_stretch_spec *, struct cuda_stretch **, struct cuda_fault *);
    void (*stretch_close)(struct cuda_stretch *);
    enum cuda_outcome (*stretch_run)(struct cuda_stretch *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*stretch_check)(struct cuda_stretch *, struct cuda_fault *);

    enum cuda_outcome (*model_open)(struct cuda_device *, const struct cuda_model_spec *, struct cuda_model **, struct cuda_fault *);
    void (*model_close)(struct cuda_model *);
    size_t (*model_bytes)(const struct cuda_model *);

    const char *(*cache_name)(enum cuda_cache);
    enum cuda_outcome (*session_bind)(struct cuda_model *, const struct cuda_session_spec *, struct cuda_session **, struct cuda_fault *);
    void (*session_close)(struct cuda_session *);
    enum cuda_outcome (*session_feed)(struct cuda_session *, const uint32_t *tokens, size_t n, bool every, float *logits, struct cuda_fault *);
    enum cuda_outcome (*session_generate)(struct cuda_session *, size_t n, uint32_t *out, double *ns, float *logits, struct cuda_fault *);
    enum cuda_outcome (*session_choose)(struct cuda_session *, size_t i, struct cuda_fault *);
    enum cuda_outcome (*session_generate_all)(struct cuda_session *, size_t n, uint32_t *out, double *ns, struct cuda_fault *);
    enum cuda_outcome (*session_rewind)(struct cuda_session *, size_t length, struct cuda_fault *);
    enum cuda_outcome (*session_rehearse)(struct cuda_session *, size_t before, size_t n, struct cuda_fault *);
    enum cuda_outcome (*session_repeat)(struct cuda_session *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*session_look)(struct cuda_session *, const struct cuda_session_view *, struct cuda_fault *);
    enum cuda_outcome (*session_marks)(struct cuda_session *, struct cuda_mark *out, size_t most, size_t *n, struct cuda_fault *);
    size_t (*session_positions)(const struct cuda_session *);
    void (*session_why)(const struct cuda_session *, size_t n, char *text, size_t size);
    double (*session_cache_bytes)(const struct cuda_session *, size_t before);

    enum cuda_outcome (*split_open)(struct cuda_device *const *, size_t n, const struct cuda_model_spec *, const struct cuda_session_spec *, struct cuda_split **, struct cuda_fault *);
    void (*split_close)(struct cuda_split *);
    enum cuda_outcome (*split_feed)(struct cuda_split *, const uint32_t *tokens, size_t n, float *logits, struct cuda_fault *);
    enum cuda_outcome (*split_generate)(struct cuda_split *, size_t n, uint32_t *out, double *ns, struct cuda_fault *);
    enum cuda_outcome (*split_rewind)(struct cuda_split *, size_t length, struct cuda_fault *);

    enum cuda_outcome (*replicas_open)(size_t n, size_t cards, const char *driver, const struct cuda_model_spec *, const struct cuda_session_spec *, struct cuda_replicas **, struct cuda_fault *);
    void (*replicas_close)(struct cuda_replicas *);
    enum cuda_outcome (*replicas_serve)(struct cuda_replicas *, uint64_t requests, const uint32_t *tokens, size_t n_tokens, size_t steps, uint32_t *last, double *ns,
                                        struct cuda_fault *);
    void (*replicas_report)(const struct cuda_replicas *, size_t i, struct cuda_replica_report *);
};

#endif
