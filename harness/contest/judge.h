/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts as they stand in result files, and the exit code that they add up to.
 */
#ifndef CONTEST_JUDGE_H
#define CONTEST_JUDGE_H

#include "fault.h"
#include "gate/decide.h"

#include <jansson.h>
#include <stdbool.h>

/* A verdict that a decision gave. New reference. */
json_t *judge_decision(const char *metric, const char *against, double tolerance, const struct decide_verdict *verdict);

/* A verdict without figures: `word` is one of the result file's. `reason` may be NULL; `differs` is stolen, NULL: none. */
json_t *judge_word(const char *metric, const char *against, double tolerance, const char *word, const char *reason, json_t *differs);

/* The cell with this id in a result's list; borrowed. NULL: there is none. */
json_t *judge_find(const json_t *top, const char *id);

struct judge_rule {
    bool strict;     /* new cells fail */
    bool two_sided;  /* improvements beyond the tolerance fail */
    bool first_run;  /* no base: stored runs that cannot tell are shown, and are not held against it */
};

/* The exit code of one verdict's word. */
enum exit_code judge_exit(const char *word, const struct judge_rule *rule);

/* The worst of all cells' verdicts; EXIT_CODE_CANNOT_JUDGE where no cell was measured and nothing worse stands. */
enum exit_code judge_cells(const json_t *cells, const struct judge_rule *rule);

#endif
