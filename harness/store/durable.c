/* SPDX-License-Identifier: Apache-2.0 */
#include "store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path, const char *step, struct fault *fault)
{
    return fault_set(fault, EXIT_CODE_USAGE, "%s: %s: %s", path, step, strerror(errno));
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

bool durable_sync_folder(const char *path, struct fault *fault)
{
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        failed(folder ? folder : path, "cannot sync the folder", fault);
    if (fd >= 0)
        close(fd);
    free(folder);
    return ok;
}

/* What a plain creation would give: mkostemp makes files private. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Devices and pipes (/dev/stdout, /dev/full) are written as they are: there is nothing to replace them by. */
static bool is_special(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
}

bool durable_open(struct durable *file, const char *path, struct fault *fault)
{
    *file = (struct durable){.path = strdup(path)};
    int fd = -1;
    if (is_special(path)) {
        file->stream = file->path ? fopen(path, "we") : NULL;
        if (file->stream)
            return true;
        goto fail;
    }
    if (!file->path || asprintf(&file->temporary, "%s.new-XXXXXX", path) < 0) {
        file->temporary = NULL;
        goto fail;
    }
    fd = mkostemp(file->temporary, O_CLOEXEC);
    if (fd < 0)
        goto fail;
    file->stream = fdopen(fd, "w");
    if (file->stream && fchmod(fd, usual_mode()) == 0)
        return true;
fail:
    failed(path, "cannot write", fault);
    if (fd >= 0 && !file->stream)
        close(fd);
    if (fd < 0) {
        free(file->temporary);
        file->temporary = NULL;
    }
    durable_abandon(file);
    return false;
}

void durable_abandon(struct durable *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct durable){0};
}

bool durable_close(struct durable *file, struct fault *fault)
{
    const char *step = "cannot write";
    errno = 0;
    bool ok = fflush(file->stream) == 0 && !ferror(file->stream) && (!file->temporary || fsync(fileno(file->stream)) == 0);
    int closed = fclose(file->stream);
    file->stream = NULL;
    if (ok && closed == 0) {
        step = "cannot put the new file in its place";
        ok = !file->temporary || rename(file->temporary, file->path) == 0;
    } else
        ok = false;
    if (!ok) {
        failed(file->path, step, fault);
        durable_abandon(file);
        return false;
    }
    ok = !file->temporary || durable_sync_folder(file->path, fault);
    free(file->temporary);
    free(file->path);
    *file = (struct durable){0};
    return ok;
}

bool durable_write(const char *path, const void *bytes, size_t n, struct fault *fault)
{
    struct durable file;
    if (!durable_open(&file, path, fault))
        return false;
    fwrite(bytes, 1, n, file.stream);
    return durable_close(&file, fault);
}

bool durable_check(const char *path, struct fault *fault)
{
    struct stat there;
    if (is_special(path))
        return access(path, W_OK) == 0 || failed(path, "cannot write", fault);
    if (stat(path, &there) == 0 && S_ISDIR(there.st_mode)) {
        errno = EISDIR;
        return failed(path, "cannot write", fault);
    }
    struct durable file;
    if (!durable_open(&file, path, fault))
        return false;
    fputc('\n', file.stream);
    bool ok = fflush(file.stream) == 0;
    if (!ok)
        failed(path, "cannot write", fault);
    durable_abandon(&file);
    return ok;
}
