/* SPDX-License-Identifier: Apache-2.0 */
#include "report/escape.h"

#include "text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One character and what stands for it. */
struct replacement {
    char from;
    const char *to;
};

static const char *replaced(const struct replacement *rows, char c)
{
    for (; rows->to; rows++)
        if (rows->from == c)
            return rows->to;
    return NULL;
}

/*
 * Prints text with the replacements of `rows`; what is neither ASCII nor plain goes through text_escape.
 * `limit` characters at most, then a sign of the cut.
 */
static void print_replaced(FILE *out, const char *text, const struct replacement *rows, size_t limit)
{
    for (size_t n = 0; *text; n++) {
        uint32_t character;
        size_t length = text_decode(text, &character);
        const char *to = length == 1 ? replaced(rows, *text) : NULL;
        if (n == limit) {
            fputs("…", out);
            return;
        }
        if (to)
            fputs(to, out);
        else if (length && text_is_plain(character))
            fwrite(text, 1, length, out);
        else if (length) {
            char one[5] = "", shown[16];
            memcpy(one, text, length);
            fputs(text_escape(one, shown, sizeof shown), out);
        } else
            fprintf(out, "\\x%02x", (unsigned char)*text);
        text += length ? length : 1;
    }
}

static const struct replacement markup[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}, {0}};

void escape_markup(FILE *out, const char *text)
{
    print_replaced(out, text, markup, SIZE_MAX);
}

void escape_markdown(FILE *out, const char *text)
{
    static const struct replacement rows[] = {{'`', "'"}, {'|', "\\|"}, {0}};
    fputs(*text ? "`" : "`(empty)", out);
    print_replaced(out, text, rows, 120);
    fputc('`', out);
}

void escape_markdown_text(FILE *out, const char *text)
{
    static const struct replacement rows[] = {
        {'\\', "\\\\"}, {'`', "\\`"}, {'*', "\\*"}, {'_', "\\_"}, {'{', "\\{"}, {'}', "\\}"}, {'[', "\\["}, {']', "\\]"}, {'(', "\\("}, {')', "\\)"}, {'#', "\\#"},
        {'|', "\\|"},   {'~', "\\~"}, {'!', "\\!"}, {'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'@', "@\xe2\x80\x8b"}, {':', "&#58;"}, {'.', "&#46;"}, {0}};
    print_replaced(out, text, rows, 500);
}

void escape_csv(FILE *out, const char *text)
{
    fputs(*text && strchr("=+-@\t\r\n", *text) ? "\"'" : "\"", out);
    for (; *text; text++) {
        uint32_t character;
        size_t length = text_decode(text, &character);
        if (*text == '"')
            fputc('"', out);
        if (length)
            fwrite(text, 1, length, out);
        else
            fprintf(out, "\\x%02x", (unsigned char)*text);
        text += length ? length - 1 : 0;
    }
    fputc('"', out);
}

void escape_label(FILE *out, const char *text)
{
    static const struct replacement rows[] = {{'\\', "\\\\"}, {'"', "\\\""}, {'\n', "\\n"}, {0}};
    while (*text) {
        uint32_t character;
        size_t length = text_decode(text, &character);
        const char *to = replaced(rows, *text);
        if (to)
            fputs(to, out);
        else if (length && character != '\r')
            fwrite(text, 1, length, out);
        else
            fprintf(out, "\\\\x%02x", (unsigned char)*text);
        text += length ? length : 1;
    }
}

static size_t count_characters(const char *text)
{
    size_t n = 0;
    for (uint32_t c; *text; n++) {
        size_t length = text_decode(text, &c);
        text += length ? length : 1;
    }
    return n;
}

static const char *skip_characters(const char *text, size_t n)
{
    for (uint32_t c; n && *text; n--) {
        size_t length = text_decode(text, &c);
        text += length ? length : 1;
    }
    return text;
}

void escape_gnuplot(FILE *out, const char *text, size_t limit)
{
    /* gnuplot leaves > as it is in SVG, where ]]> may not stand */
    static const struct replacement rows[] = {{'"', "'"}, {'\\', "/"}, {'>', "›"}, {0}};
    size_t n = count_characters(text);
    if (n <= limit) {
        print_replaced(out, text, rows, SIZE_MAX);
        return;
    }
    print_replaced(out, text, rows, limit / 2); /* ends with … */
    print_replaced(out, skip_characters(text, n - (limit - limit / 2 - 1)), rows, SIZE_MAX);
}

void escape_command_data(FILE *out, const char *text)
{
    static const struct replacement rows[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"}, {0}};
    print_replaced(out, text, rows, 500);
}

void escape_command_property(FILE *out, const char *text)
{
    static const struct replacement rows[] = {{'%', "%25"}, {'\r', "%0D"}, {'\n', "%0A"}, {':', "%3A"}, {',', "%2C"}, {0}};
    print_replaced(out, text, rows, 500);
}

void escape_go(FILE *out, const char *text)
{
    for (; *text; text++) {
        /* digits after the last - would be read as a number of processors */
        bool is_suffix = *text == '-' && text[1 + strspn(text + 1, "0123456789")] == 0;
        bool stays = isalnum((unsigned char)*text) || (strchr("._=-", *text) && !is_suffix);
        fprintf(out, stays ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

void escape_shell_expression(FILE *out, const char *text)
{
    static const struct replacement rows[] = {{'.', "\\."}, {'[', "\\["}, {']', "\\]"}, {'(', "\\("}, {')', "\\)"}, {'{', "\\{"}, {'}', "\\}"}, {'*', "\\*"},
                                              {'+', "\\+"}, {'?', "\\?"}, {'^', "\\^"}, {'$', "\\$"}, {'|', "\\|"}, {'\\', "\\\\"}, {'\'', "'\\''"}, {0}};
    print_replaced(out, text, rows, SIZE_MAX);
}
