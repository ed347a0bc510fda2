/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of other tools as results of ours (SCHEMA.md), so that people bring their past along: the JSON of
 * google-benchmark (context, benchmarks) and of hyperfine (results). Each repetition is a sample; the run id is made
 * from the content, so that the same file is the same run; the hardware key says that it was imported.
 */
#ifndef HISTORY_FOREIGN_H
#define HISTORY_FOREIGN_H

#include "fault.h"

#include <jansson.h>
#include <stdint.h>

/* What a file does not say of itself. */
struct foreign_about {
    const char *name;      /* of the file, for faults */
    const char *commit;    /* NULL: not known */
    const char *hardware;  /* NULL: made from the file */
    int64_t modified;      /* seconds since 1970, where the file holds no date */
    const char *text;      /* the whole content, from which the run id is made */
    size_t n;
};

/* Whether the object looks like a result of another tool that can be read here. */
bool foreign_is_known(const json_t *file);

/* The result, owned by the caller; NULL with EXIT_CODE_INVALID where a field is missing or of another kind. */
json_t *foreign_convert(const json_t *file, const struct foreign_about *about, struct fault *fault);

#endif
