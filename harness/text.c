/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <string.h>

struct range {
    uint32_t first, last;
};

/* Unicode 15, by what a terminal does with them: controls, soft hyphen, bidirectional marks, joiners and fillers without width,
 * separators that break lines, variation selectors that swap a glyph stay allowed (emoji need them), private use, tags. */
static const struct range hidden[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x34f, 0x34f},     {0x61c, 0x61c},       {0x115f, 0x1160},     {0x17b4, 0x17b5},
    {0x180b, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0x3164, 0x3164},     {0xe000, 0xf8ff},     {0xfeff, 0xfeff},
    {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},   {0xe0000, 0x10ffff},
};

bool text_is_plain(uint32_t character)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (character >= hidden[i].first && character <= hidden[i].last)
            return false;
    return true;
}

size_t text_decode(const char *text, uint32_t *character)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } rows[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const unsigned char *byte = (const unsigned char *)text;
    for (size_t length = 1; length <= 4; length++) {
        if ((byte[0] & rows[length - 1].mask) != rows[length - 1].lead)
            continue;
        uint32_t value = byte[0] & (unsigned char)~rows[length - 1].mask;
        for (size_t i = 1; i < length; i++) {
            if ((byte[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (byte[i] & 0x3f);
        }
        *character = value;
        return value >= rows[length - 1].least && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff) ? length : 0;
    }
    return 0;
}

/* Writes the next character of *text, safe to show, to `out`; moves *text. Returns the bytes written, at most 10. */
static size_t next_shown(const char **text, char out[16])
{
    uint32_t character;
    size_t length = text_decode(*text, &character);
    if (length == 0) {
        int n = snprintf(out, 16, "\\x%02x", (unsigned char)**text);
        (*text)++;
        return (size_t)n;
    }
    if (text_is_plain(character)) {
        memcpy(out, *text, length);
        *text += length;
        return length;
    }
    *text += length;
    return (size_t)snprintf(out, 16, character < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)character);
}

size_t text_print(FILE *out, const char *text)
{
    size_t columns = 0;
    while (*text) {
        char shown[16];
        size_t n = next_shown(&text, shown);
        fwrite(shown, 1, n, out);
        columns += shown[0] == '\\' ? n : 1;
    }
    return columns;
}

char *text_escape(const char *text, char *buffer, size_t size)
{
    size_t used = 0;
    while (*text) {
        char shown[16];
        size_t n = next_shown(&text, shown);
        if (used + n >= size)
            break;
        memcpy(buffer + used, shown, n);
        used += n;
    }
    if (size)
        buffer[used] = 0;
    return buffer;
}
