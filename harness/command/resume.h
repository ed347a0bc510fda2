/* SPDX-License-Identifier: Apache-2.0
 *
 * A run's options as JSON in its journal's first line, and back: --resume needs no other word than the file.
 */
#ifndef COMMAND_RESUME_H
#define COMMAND_RESUME_H

#include "cli.h"

#include <jansson.h>

/* What decides the plan and the sampling, as a new object. */
json_t *resume_arguments(const struct options *options);

struct resume {
    char *out;            /* the result file, malloc'd */
    char *journal;        /* its journal, malloc'd */
    json_t *top;          /* first line, or NULL for a new run */
    json_t *generations;  /* cell id → array of generations */
    json_t *arguments;    /* owns the texts that options point to after resume_load */
};

/*
 * Reads the journal of `options->resume` (a result file or its journal) and overwrites the options that decide the plan.
 * EXIT_CODE_USAGE: no journal, or other hardware; EXIT_CODE_INVALID: a journal that cannot be read.
 */
bool resume_load(struct resume *resume, struct options *options, struct fault *fault);

/* Forgets generations whose cell is no longer in the plan, or was planned from another text of its suite. */
void resume_keep_planned(struct resume *resume, const json_t *cells);

void resume_clear(struct resume *resume);

#endif
