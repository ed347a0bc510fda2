/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that wait for a database that is out of reach: one durable file each, named by run id and kind, so that the same
 * result waits once. They leave the folder only after the commit that holds them; a second import of one does nothing.
 */
#ifndef HISTORY_SPOOL_H
#define HISTORY_SPOOL_H

#include "store/store.h"

/* $TERNMARK_SPOOL, else ternmark/spool in $XDG_STATE_HOME or ~/.local/state; made when missing. */
bool spool_folder(char *folder, size_t size, struct fault *fault);

bool spool_add(const char *folder, json_t *result, struct fault *fault);

/* Imports what waits; a file that is no result is left where it is and counted in *refused. */
bool spool_drain(const char *folder, struct store *store, struct store_counts *counts, size_t *refused, struct fault *fault);

#endif
