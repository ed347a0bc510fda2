/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lua files of script/lua/, linked into the program (ci/embed). The last row has no name.
 */
#ifndef SCRIPT_PRELUDES_H
#define SCRIPT_PRELUDES_H

struct prelude {
    const char *name;
    const char *text;
};

extern const struct prelude preludes[];

#endif
