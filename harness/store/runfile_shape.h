/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of SCHEMA.md as tables for store/shape.h. Only store/runfile.c needs them.
 */
#ifndef STORE_RUNFILE_SHAPE_H
#define STORE_RUNFILE_SHAPE_H

#include "store/shape.h"

/* The bit of a file's kind ("run", "gate", "baseline"); 0 for any other text or NULL. */
unsigned runfile_kind(const char *kind);

/* The whole file; the checksum's form is checked here, its value by the loader. */
extern const struct shape runfile_top;

#endif
