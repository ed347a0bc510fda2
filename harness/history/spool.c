/* SPDX-License-Identifier: Apache-2.0 */
#include "history/spool.h"

#include "store/runfile.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        if (slash)
            *slash = '/';
        if (!ok || !slash)
            return ok;
    }
}

bool spool_folder(char *folder, size_t size, struct fault *fault)
{
    const char *own = getenv("TERNMARK_SPOOL"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = own && *own == '/'       ? snprintf(folder, size, "%s", own)
            : state && *state == '/' ? snprintf(folder, size, "%s/ternmark/spool", state)
            : home && *home == '/'   ? snprintf(folder, size, "%s/.local/state/ternmark/spool", home)
                                     : -1;
    if (n < 0 || (size_t)n >= size)
        return fault_set(fault, EXIT_CODE_USAGE, "neither TERNMARK_SPOOL, XDG_STATE_HOME nor HOME says where results may wait");
    return make_folders(folder) || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", folder, strerror(errno));
}

bool spool_add(const char *folder, json_t *result, struct fault *fault)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s.%s.json", folder, json_string_value(json_object_get(result, "run_id")), json_string_value(json_object_get(result, "kind")));
    if (n < 0 || (size_t)n >= sizeof path)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: the name is too long", folder);
    return runfile_save(path, result, fault);
}

static bool is_result(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* One file: imported and removed, refused, or the database's fault (false). */
static bool drain_one(const char *path, struct store *store, struct store_counts *counts, size_t *refused, struct fault *fault)
{
    struct fault of_file = {0};
    json_t *result = runfile_load(path, &of_file);
    if (!result) {
        *refused += of_file.code == EXIT_CODE_INVALID;  /* another process may have taken it: then it is gone */
        return true;
    }
    bool ok = store_import(store, result, counts, fault);
    json_decref(result);
    if (ok)
        unlink(path);
    return ok;
}

bool spool_drain(const char *folder, struct store *store, struct store_counts *counts, size_t *refused, struct fault *fault)
{
    DIR *open = opendir(folder);
    char path[PATH_MAX];
    bool ok = true;
    if (!open)
        return true;
    for (const struct dirent *entry; ok && (entry = readdir(open));)
        if (is_result(entry) && snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            ok = drain_one(path, store, counts, refused, fault);
    closedir(open);
    return ok;
}
