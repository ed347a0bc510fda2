/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from suites, files and children on its way to a terminal or a log: the one place that makes it harmless.
 * Harmful are C0 and C1 controls, DEL, bytes that are not UTF-8, and the characters that reorder or hide what is shown
 * (bidirectional controls, zero-width ones, line and paragraph separators, tags, private use). They are written as \xHH or \u{HHHH}.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Decodes one UTF-8 character of `text` (NUL-ended, not empty); returns its length, or 0 where it is not valid UTF-8. */
size_t text_decode(const char *text, uint32_t *character);

/* Whether a terminal shows the character as itself, in order, in sight. */
bool text_is_plain(uint32_t character);

/* Prints `text` with harmful characters escaped. Returns the number of columns, counting each character as one. */
size_t text_print(FILE *out, const char *text);

/* The same into `buffer` (always NUL-ended); what does not fit is cut before the character that would not. Returns `buffer`. */
char *text_escape(const char *text, char *buffer, size_t size);

#endif
