/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that is written line by line into room of the caller's: what exceeds it is counted and cut.
 */
#ifndef TERN_PAGE_H
#define TERN_PAGE_H

#include <stddef.h>

struct tern_page {
    char *text;
    size_t size, used; /* used: bytes the text has, more than `size` when it was cut */
};

__attribute__((format(printf, 2, 3))) void tern_page_say(struct tern_page *page, const char *format, ...);

#endif
