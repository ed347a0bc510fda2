/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters as text ({"threads", "2"}) to the options of model, plan, session and synthetic model.
 */
#ifndef TERN_SETTINGS_H
#define TERN_SETTINGS_H

#include "cuda/session.h"
#include "model/session.h"
#include "model/synth.h"
#include "tern.h"

struct tern_settings {
    struct tern_model_options model;
    struct tern_plan_options plan;
    struct tern_session_options session;
    enum cuda_cache cache; /* elements of keys and values; CUDA_CACHES: what the backend keeps by itself */
};

/* Defaults, then each parameter. Error TERN_INVALID: an unknown name, a value that is none (the text says what is one). */
enum tern_status tern_settings_read(const struct tern_param *params, size_t n, struct tern_settings *out, struct tern_error *error);
enum tern_status tern_settings_synth(const struct tern_param *params, size_t n, struct tern_synth *out, struct tern_error *error);

#endif
