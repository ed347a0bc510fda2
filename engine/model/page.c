/* SPDX-License-Identifier: Apache-2.0 */
#include "model/page.h"

#include <stdarg.h>
#include <stdio.h>

void tern_page_say(struct tern_page *page, const char *format, ...)
{
    va_list args;
    size_t room = page->used < page->size ? page->size - page->used : 0;
    va_start(args, format);
    int n = vsnprintf(room ? page->text + page->used : NULL, room, format, args);
    va_end(args);
    page->used += n > 0 ? (size_t)n : 0;
}
