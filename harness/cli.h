/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: subcommands are rows of commands.def, options rows of options.def.
 */
#ifndef CLI_H
#define CLI_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    const char **items;
    size_t n;
};

#define CLI_TYPE_FLAG bool
#define CLI_TYPE_TEXT const char *
#define CLI_TYPE_LIST struct text_list
#define CLI_TYPE_TIME double
#define CLI_TYPE_BYTES double
#define CLI_TYPE_RATIO double
#define CLI_TYPE_COUNT int64_t

/* The options of one call: a field for each row of options.def, `given_<field>` when the user wrote it, and the operands. */
struct options {
#define OPTION(field, name, kind, metavar, fallback, help) \
    CLI_TYPE_##kind field;                                 \
    bool given_##field;
#include "options.def"
#undef OPTION
    struct text_list operands;
};

/* A subcommand's body; fills `fault` where something is said beside the exit code. */
typedef enum exit_code command_body(const struct options *options, struct fault *fault);

#define COMMAND(name, operands, help, options) command_body command_##name;
#include "commands.def"
#undef COMMAND

/* Parses argv and runs the subcommand; returns the exit status. Prints faults on standard error. */
int cli_main(int argc, char **argv);

#endif
