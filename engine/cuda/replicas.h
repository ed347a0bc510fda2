/* SPDX-License-Identifier: Apache-2.0
 *
 * A model once, or several times, on each of several cards, each with a thread of its own. Requests are pulled, so that a slower card does fewer: a request is a prompt of
 * `tokens` and `steps` tokens made after it.
 */
#ifndef CUDA_REPLICAS_H
#define CUDA_REPLICAS_H

#include "cuda/nccl.h"
#include "cuda/session.h"

struct cuda_replicas;

struct cuda_replica_report {
    uint64_t requests;
    double busy_ns; /* from taking a request to its end, summed */
};

/* n replicas, the i-th on card i mod `cards`, opened by `driver` (as cuda_device_open). */
enum cuda_outcome cuda_replicas_open(size_t n, size_t cards, const char *driver, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes, struct cuda_replicas **out,
                                     struct cuda_fault *fault);
void cuda_replicas_close(struct cuda_replicas *replicas);

/* Serves `requests` of a prompt and `steps` tokens after it, and waits. `last` (null: not wanted): steps tokens of each replica's last request, side by side.
 * The first fault of any replica is given when the others have ended. */
enum cuda_outcome cuda_replicas_serve(struct cuda_replicas *replicas, uint64_t requests, const uint32_t *tokens, size_t n_tokens, size_t steps, uint32_t *last,
                                      double *ns, struct cuda_fault *fault);
/* Of replica i since it was opened. */
void cuda_replicas_report(const struct cuda_replicas *replicas, size_t i, struct cuda_replica_report *report);

#endif
