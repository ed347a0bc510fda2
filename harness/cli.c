/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "text.h"
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { KIND_FLAG, KIND_TEXT, KIND_LIST, KIND_TIME, KIND_BYTES, KIND_RATIO, KIND_COUNT };

struct option_row {
    const char *name;
    enum option_kind kind;
    const char *metavar;
    const char *help;
    size_t value;  /* offsets into struct options */
    size_t given;
};

static const struct option_row option_rows[] = {
#define OPTION(field, name, kind, metavar, fallback, help) \
    {name, KIND_##kind, metavar, help, offsetof(struct options, field), offsetof(struct options, given_##field)},
#include "options.def"
#undef OPTION
};
static const size_t n_option_rows = sizeof option_rows / sizeof *option_rows;

struct command_row {
    const char *name;
    command_body *body;
    const char *operands;
    const char *help;
    const char *options;
};

static const struct command_row command_rows[] = {
#define COMMAND(name, operands, help, options) {#name, command_##name, operands, help, options},
#include "commands.def"
#undef COMMAND
    {0},
};

#define CLI_LIST_NULL ((struct text_list){NULL, 0})
static void options_init(struct options *o)
{
    memset(o, 0, sizeof *o);
#define CLI_DEFAULT_FLAG(field, fallback) o->field = fallback;
#define CLI_DEFAULT_TEXT(field, fallback) o->field = fallback;
#define CLI_DEFAULT_LIST(field, fallback) o->field = CLI_LIST_NULL;
#define CLI_DEFAULT_TIME(field, fallback) o->field = fallback;
#define CLI_DEFAULT_BYTES(field, fallback) o->field = fallback;
#define CLI_DEFAULT_RATIO(field, fallback) o->field = fallback;
#define CLI_DEFAULT_COUNT(field, fallback) o->field = fallback;
#define OPTION(field, name, kind, metavar, fallback, help) CLI_DEFAULT_##kind(field, fallback)
#include "options.def"
#undef OPTION
}

static void options_clear(struct options *o)
{
#define CLI_CLEAR_FLAG(field)
#define CLI_CLEAR_TEXT(field)
#define CLI_CLEAR_LIST(field) free(o->field.items);
#define CLI_CLEAR_TIME(field)
#define CLI_CLEAR_BYTES(field)
#define CLI_CLEAR_RATIO(field)
#define CLI_CLEAR_COUNT(field)
#define OPTION(field, name, kind, metavar, fallback, help) CLI_CLEAR_##kind(field)
#include "options.def"
#undef OPTION
    free(o->operands.items);
}

static void list_add(struct text_list *list, const char *text)
{
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (!items)
        abort();
    items[list->n++] = text;
    list->items = items;
}

static bool has_word(const char *words, const char *word, size_t length)
{
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, " ");
        if (n == length && memcmp(at, word, n) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

/* The row of an option that this command takes; `length` is that of the name in `text`. */
static const struct option_row *find_option(const struct command_row *command, const char *text, size_t length)
{
    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *row = &option_rows[i];
        if (strlen(row->name) == length && memcmp(row->name, text, length) == 0 &&
            (has_word(command->options, row->name, length) || strcmp(row->name, "help") == 0))
            return row;
    }
    return NULL;
}

static bool parse_count(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 && *value >= 0;
}

static bool set_value(struct options *o, const struct option_row *row, const char *text, struct fault *fault)
{
    static const enum unit_family families[] = {
        [KIND_TIME] = UNIT_TIME_NS, [KIND_BYTES] = UNIT_BYTES, [KIND_RATIO] = UNIT_RATIO};
    char *value = (char *)o + row->value;
    bool ok = true;
    switch (row->kind) {
    case KIND_FLAG: *(bool *)value = true; break;
    case KIND_TEXT: *(const char **)(void *)value = text; break;
    case KIND_LIST: list_add((struct text_list *)(void *)value, text); break;
    case KIND_COUNT: ok = parse_count(text, (int64_t *)(void *)value); break;
    default: ok = units_parse(families[row->kind], text, (double *)(void *)value); break;
    }
    *((bool *)o + row->given) = true;
    return ok || fault_set(fault, EXIT_CODE_USAGE, "--%s: expected %s, found '%s'", row->name, row->metavar, text);
}

/* Consumes argv[*at], and its value where it has one. */
static bool parse_option(const struct command_row *command, char **argv, int argc, int *at, struct options *o, struct fault *fault)
{
    const char *text = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
    size_t length = strcspn(text, "=");
    const struct option_row *row = find_option(command, text, length);
    if (!row)
        return fault_set(fault, EXIT_CODE_USAGE, "ternmark %s has no option '%s'; see ternmark %s --help", command->name, argv[*at], command->name);
    const char *value = text[length] == '=' ? text + length + 1 : NULL;
    if (row->kind == KIND_FLAG && value)
        return fault_set(fault, EXIT_CODE_USAGE, "--%s takes no value, found '%s'", row->name, value);
    if (row->kind != KIND_FLAG && !value) {
        if (*at + 1 >= argc)
            return fault_set(fault, EXIT_CODE_USAGE, "--%s needs a value: %s", row->name, row->metavar);
        value = argv[++*at];
    }
    return set_value(o, row, value, fault);
}

static bool parse(const struct command_row *command, int argc, char **argv, struct options *o, struct fault *fault)
{
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
            if (!parse_option(command, argv, argc, &i, o, fault))
                return false;
        } else
            list_add(&o->operands, argv[i]);
    }
    return true;
}

static void print_help(const struct command_row *command)
{
    printf("usage: ternmark %s%s%s\n%s\n", command->name, *command->operands ? " " : "", command->operands, command->help);
    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *row = &option_rows[i];
        if (!find_option(command, row->name, strlen(row->name)))
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s", strlen(row->name) == 1 ? "-" : "--", row->name, row->metavar ? " " : "", row->metavar ? row->metavar : "");
        printf("  %-28s %s\n", left, row->help);
    }
}

static void print_usage(FILE *out)
{
    fprintf(out, "usage: ternmark COMMAND …\n");
    for (const struct command_row *row = command_rows; row->name; row++)
        fprintf(out, "  %-10s %s\n", row->name, row->help);
    fprintf(out, "ternmark COMMAND --help tells more. Exit: 0 pass, 1 regression, 2 usage or tool error, 3 cannot judge,\n"
                 "4 missing or failed, 5 invalid file, 130 interrupted.\n");
}

static int run_command(const struct command_row *command, int argc, char **argv)
{
    struct options o;
    struct fault fault = {0};
    options_init(&o);
    enum exit_code code = EXIT_CODE_PASS;
    if (!parse(command, argc, argv, &o, &fault))
        code = fault.code;
    else if (o.help)
        print_help(command);
    else
        code = command->body(&o, &fault);
    if (fault.text[0]) {
        fputs("ternmark: ", stderr);
        text_print(stderr, fault.text);
        fputc('\n', stderr);
    }
    options_clear(&o);
    return (int)code;
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EXIT_CODE_PASS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("ternmark %s\n", TERNMARK_VERSION);
        return EXIT_CODE_PASS;
    }
    for (const struct command_row *row = command_rows; row->name; row++)
        if (strcmp(row->name, argv[1]) == 0)
            return run_command(row, argc - 2, argv + 2);
    fprintf(stderr, "ternmark: no command '%s'\n", argv[1]);
    print_usage(stderr);
    return EXIT_CODE_USAGE;
}
