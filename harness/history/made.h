/* SPDX-License-Identifier: Apache-2.0
 *
 * Result files made from times that another program took: the parts that import and live monitoring share.
 */
#ifndef HISTORY_MADE_H
#define HISTORY_MADE_H

#include <jansson.h>

/*
 * A cell that is ok, of the one run `uuid`; `id` begins with "suite/". `samples`, an array of ns above 0 and not empty, is shared;
 * `params` too. NULL without memory.
 */
json_t *made_cell(const char *suite, const char *uuid, const char *id, json_t *params, json_int_t iterations, json_t *samples);

/* A complete run of `cells`, which it takes. `key` of the hardware; `commit` may be NULL. NULL where a text is not UTF-8. */
json_t *made_run(const char *uuid, const char *date, const char *commit, const char *key, const char *from, json_t *cells);

#endif
