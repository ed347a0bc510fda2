/* SPDX-License-Identifier: Apache-2.0
 *
 * The public side of models (tern.h): a file, its plan and one session as one thing.
 */
#include "core/error.h"
#include "core/memory.h"
#include "core/monitor.h"
#include "model/accelerated.h"
#include "model/attend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tern_runner {
    struct tern_model *model;
    struct tern_accelerated *accelerated; /* on the card; or null, and */
    struct tern_plan *plan;
    struct tern_session *session;
    float *logits; /* of the last token fed; vocabulary floats */
    bool has_logits;
    struct tern_step_times times; /* since they were last told */
};

/* A plan and a session on the CPU, or what stands for them on the card. */
static enum tern_status open_session(struct tern_runner *r, const struct tern_settings *settings, struct tern_error *error)
{
    if (settings->plan.backend && strcmp(settings->plan.backend, "cuda") == 0)
        return tern_accelerated_open(r->model, settings, &r->accelerated, error);
    struct tern_session_options sizes = settings->session;
    if (settings->cache == CUDA_CACHE_f32)
        sizes.attention = &tern_attend_f32;
    else if (settings->cache != CUDA_CACHES)
        return tern_error_set(error, TERN_UNSUPPORTED, "the CPU keeps keys and values as f32, or as it chooses; backend=cuda has other caches");
    enum tern_status status = tern_plan_open(r->model, &settings->plan, &r->plan, error);
    if (status == TERN_OK)
        status = tern_session_open(r->plan, &sizes, &r->session, error);
    if (status == TERN_OK)
        r->session->times = &r->times;
    return status;
}

enum tern_status tern_runner_open(const char *path, const struct tern_param *params, size_t n, struct tern_runner **out, struct tern_error *error)
{
    struct tern_settings settings;
    tern_monitor_environment();
    struct tern_runner *r = tern_array_open(1, sizeof *r);
    *out = NULL;
    if (!r)
        return tern_error_memory(error, "a runner", sizeof *r);
    enum tern_status status = tern_settings_read(params, n, &settings, error);
    if (status == TERN_OK)
        status = tern_model_open(path, &settings.model, &r->model, error);
    if (status == TERN_OK)
        status = open_session(r, &settings, error);
    if (status == TERN_OK && !(r->logits = tern_array_open(1, r->model->config.vocabulary * sizeof *r->logits)))
        status = tern_error_memory(error, "logits", r->model->config.vocabulary * sizeof *r->logits);
    if (status == TERN_OK)
        *out = r;
    else
        tern_runner_close(r);
    return status;
}

void tern_runner_close(struct tern_runner *r)
{
    if (!r)
        return;
    tern_accelerated_close(r->accelerated);
    tern_session_close(r->session);
    tern_plan_close(r->plan);
    tern_model_close(r->model);
    tern_array_close(r->logits);
    tern_array_close(r);
}

/* One sample of the monitor: the time of a token, when it runs. */
static void watch(const char *name, double begin, size_t n)
{
    if (tern_monitor_is_on())
        tern_monitor_sample(name, (tern_monitor_clock() - begin) / (double)n);
}

enum tern_status tern_runner_feed(struct tern_runner *r, const uint32_t *tokens, size_t n, int every, float *logits, struct tern_error *error)
{
    size_t vocabulary = r->model->config.vocabulary;
    float *into = logits ? logits : r->logits;
    double begin = tern_monitor_clock();
    enum tern_status status = r->accelerated ? tern_accelerated_feed(r->accelerated, tokens, n, every && logits, into, error)
                                             : tern_session_forward(r->session, &(struct tern_pass){.n = n, .tokens = tokens, .every = every && logits, .logits = into}, error);
    if (status == TERN_OK && n) {
        watch(n == 1 ? "model/decode" : "model/prefill", begin, n);
        r->has_logits = true;
        if (into != r->logits)
            memcpy(r->logits, into + (every ? n - 1 : 0) * vocabulary, vocabulary * sizeof *r->logits);
    }
    return status;
}

enum tern_status tern_runner_greedy(struct tern_runner *r, size_t n, uint32_t *out, struct tern_error *error)
{
    if (!r->has_logits)
        return tern_error_set(error, TERN_INVALID, "nothing was fed, so nothing follows");
    double begin = tern_monitor_clock();
    enum tern_status status = r->accelerated ? tern_accelerated_greedy(r->accelerated, n, out, error) : tern_session_greedy(r->session, r->logits, n, out, error);
    if (status == TERN_OK && n)
        watch("model/decode", begin, n);
    return status;
}

/* The prompt in pieces of a pass, so that logits of one piece are held at a time. */
static enum tern_status stream_logits(struct tern_runner *r, const uint32_t *tokens, size_t n, FILE *file, struct tern_error *error)
{
    size_t vocabulary = r->model->config.vocabulary, piece = r->session && r->session->rows < 64 ? r->session->rows : 64;
    float *logits = tern_array_open(1, piece * vocabulary * sizeof *logits);
    enum tern_status status = logits ? TERN_OK : tern_error_memory(error, "logits", piece * vocabulary * sizeof *logits);
    for (size_t at = 0; at < n && status == TERN_OK; at += piece) {
        size_t m = n - at < piece ? n - at : piece;
        status = tern_runner_feed(r, tokens + at, m, 1, logits, error);
        if (status == TERN_OK && fwrite(logits, sizeof *logits, m * vocabulary, file) != m * vocabulary)
            status = tern_error_set(error, TERN_IO, "the logits cannot be written: %s", strerror(errno));
    }
    tern_array_close(logits);
    return status;
}

enum tern_status tern_runner_write_logits(struct tern_runner *r, const uint32_t *tokens, size_t n, const char *path, struct tern_error *error)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return tern_error_memory(error, "a path", strlen(path) + 32);
    FILE *file = fopen(temporary, "wb");
    enum tern_status status = file ? stream_logits(r, tokens, n, file, error)
                                   : tern_error_set(error, TERN_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (file && fclose(file) != 0 && status == TERN_OK)
        status = tern_error_set(error, TERN_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (status == TERN_OK && rename(temporary, path) != 0)
        status = tern_error_set(error, TERN_IO, "%s: cannot take its name: %s", path, strerror(errno));
    if (file && status != TERN_OK)
        unlink(temporary);
    free(temporary);
    return status;
}

size_t tern_runner_vocabulary(const struct tern_runner *r)
{
    return r->model->config.vocabulary;
}

size_t tern_runner_explain(const struct tern_runner *r, char *text, size_t size)
{
    return r->accelerated ? tern_accelerated_explain(r->accelerated, text, size) : tern_plan_explain(r->plan, text, size);
}

size_t tern_model_levels(char *text, size_t size)
{
    return tern_levels_explain(text, size);
}

size_t tern_runner_times(struct tern_runner *r, char *text, size_t size)
{
    if (r->accelerated) {
        if (size)
            text[0] = 0;
        return 0; /* steps of a pass on the card overlap */
    }
    size_t used = tern_session_times_explain(r->session, text, size);
    r->times = (struct tern_step_times){0};
    return used;
}

enum tern_status tern_model_make(const char *path, const struct tern_param *params, size_t n, struct tern_error *error)
{
    struct tern_synth synth;
    enum tern_status status = tern_settings_synth(params, n, &synth, error);
    return status == TERN_OK ? tern_synth_save(&synth, path, error) : status;
}

void tern_text_free(char *text)
{
    free(text);
}
