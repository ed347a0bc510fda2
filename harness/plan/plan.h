/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan: every cell of the suites named, as a JSON array of objects
 *
 *   {id, suite, bench, file, kind, about|null, params {}, tags [], tolerance number|null, compare {}|null, target {}|null, metrics {}|null,
 *    artifacts [names], skip: reason|null, workload_hash|null, selected bool, broken: reason|null}
 *
 * and, where the request asks for it, why: text|null, what the suite says of how the cell is done.
 *
 * `broken` marks the one cell that stands for a suite which took its worker down while it was loaded. Suites are evaluated in
 * workers, so a hostile one cannot hurt this process.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "measure/worker.h"
#include "plan/select.h"

struct plan_request {
    const char *const *suites;  /* files, or folders whose *.lua files are meant; none: the folder `suites` */
    size_t n_suites;
    struct worker_start worker; /* artifacts, seed, limits; its suite is ignored */
    struct select_rule select;
    bool why;                   /* ask the suites' field `why` as well */
};

/*
 * The suites' paths, sorted, as a new JSON array of strings. EXIT_CODE_USAGE: no such file; two suites of one name.
 * An empty list is no fault.
 */
json_t *plan_suites(const struct plan_request *request, struct fault *fault);

/* The plan. EXIT_CODE_USAGE: a mistake in a suite, a duplicate id, a bad selection. */
json_t *plan_collect(const struct plan_request *request, struct fault *fault);

/* The plan of one suite, without selection; adds its cells to `cells`. */
bool plan_suite(const struct plan_request *request, const char *path, json_t *cells, struct fault *fault);

#endif
