/* SPDX-License-Identifier: Apache-2.0
 *
 * `history import`: results of ours and of other tools into the store, or into the spool while it is out of reach.
 */
#ifndef HISTORY_IMPORT_H
#define HISTORY_IMPORT_H

#include "cli.h"

enum exit_code history_import(const struct options *options, const char *url, struct fault *fault);

#endif
