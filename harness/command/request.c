/* SPDX-License-Identifier: Apache-2.0 */
#include "command/request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct plan_request request_of(const struct options *o)
{
    return (struct plan_request){
        .suites = o->operands.items,
        .n_suites = o->operands.n,
        .worker = {.artifacts = o->artifact.items,
                   .n_artifacts = o->artifact.n,
                   .cpu = -1,
                   .seed = (uint64_t)o->seed,
                   .timeout_ns = o->cell_timeout,
                   .memory_bytes = o->memory_limit},
        .select = {.filter = o->filter, .set = o->set.items, .n_set = o->set.n},
    };
}

bool request_check(const struct options *o, struct fault *fault)
{
    for (size_t i = 0; i < o->artifact.n; i++) {
        const char *equals = strchr(o->artifact.items[i], '=');
        if (!equals || equals == o->artifact.items[i] || !equals[1])
            return fault_set(fault, EXIT_CODE_USAGE, "--artifact: expected NAME=PATH, found '%s'", o->artifact.items[i]);
        if (access(equals + 1, R_OK) != 0)
            return fault_set(fault, EXIT_CODE_USAGE, "--artifact %s: %s", o->artifact.items[i], strerror(errno));
    }
    return true;
}
