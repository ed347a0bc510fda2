/* SPDX-License-Identifier: Apache-2.0
 *
 * The top object of a result file (store/SCHEMA.md), before anything was measured.
 */
#ifndef MEASURE_TOP_H
#define MEASURE_TOP_H

#include <jansson.h>

/* A UUID version 4 in the usual 36 characters. */
void top_uuid(char text[37]);

/* The time of day in UTC by ISO 8601, to the second; a new string. */
json_t *top_now(void);

/*
 * A new top object of `kind` ("run", "gate"): run id, time, git, hardware and environment of here and now, complete false, no cells.
 * `arguments`, an array of strings, is kept as JSON text in environment.arguments, from which --resume rebuilds the command line.
 */
json_t *top_new(const char *kind, const json_t *arguments);

/* The card of the first of these generations that ran on one; borrowed, NULL where none did. */
json_t *top_card(const json_t *generations);

/* Gives the top object the key of the card (hardware.gpu_key) and its name in the environment; nothing for NULL. */
void top_set_card(json_t *top, const json_t *card);

/* The same, of the first card found among {cell id: generations}. */
void top_find_card(json_t *top, const json_t *cells);

#endif
