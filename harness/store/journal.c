/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal.h"

#include "store/durable.h"
#include "store/runfile.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct journal {
    char *path;
    int fd;
    bool broken;
};

static bool failed(const char *path, const char *step, struct fault *fault)
{
    char shown[256];
    return fault_set(fault, EXIT_CODE_USAGE, "%s: %s: %s", text_escape(path, shown, sizeof shown), step, strerror(errno));
}

/* Cuts what follows the last line end. */
static bool cut_torn_line(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char byte = 0;
    while (end > 0 && pread(fd, &byte, 1, end - 1) == 1 && byte != '\n')
        end--;
    return end >= 0 && ftruncate(fd, end) == 0 && lseek(fd, end, SEEK_SET) == end;
}

static bool start(struct journal *journal, const json_t *top, struct fault *fault)
{
    if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0)
        return failed(journal->path, "another process is writing it", fault);
    if (!top)
        return cut_torn_line(journal->fd) || failed(journal->path, "cannot go on with it", fault);
    if (ftruncate(journal->fd, 0) != 0)
        return failed(journal->path, "cannot start it anew", fault);
    return durable_sync_folder(journal->path, fault) && journal_append(journal, top, fault);
}

struct journal *journal_open(const char *path, const json_t *top, struct fault *fault)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal || !(journal->path = strdup(path))) {
        free(journal);
        failed(path, "cannot open", fault);
        return NULL;
    }
    journal->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (top ? O_CREAT : 0), 0666);
    if (journal->fd < 0)
        failed(path, "cannot open", fault);
    else if (start(journal, top, fault))
        return journal;
    journal_close(journal);
    return NULL;
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, text, n);
        if (wrote < 0 && errno != EINTR)
            return false;
        text += wrote > 0 ? wrote : 0;
        n -= wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

bool journal_append(struct journal *journal, const json_t *line, struct fault *fault)
{
    errno = EIO;
    if (journal->broken)
        return failed(journal->path, "a write to it failed before", fault);
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    size_t n = text ? strlen(text) : 0;
    if (!text)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: a line could not be made (out of memory?)", journal->path);
    text[n] = '\n'; /* in place of the NUL: one write, so that a kill tears at most this line */
    bool ok = write_all(journal->fd, text, n + 1) && fdatasync(journal->fd) == 0;
    free(text);
    journal->broken = !ok;
    return ok || failed(journal->path, "cannot write", fault);
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    free(journal);
}

/* Adds one line; a last line that is torn or no object is left out. */
static bool load_line(json_t *lines, char *text, size_t n, bool is_last, const char *path, struct fault *fault)
{
    struct fault ignored = {0};
    json_t *line = runfile_read_json(text, n, path, &ignored);
    if (json_is_object(line))
        return json_array_append_new(lines, line) == 0;
    json_decref(line);
    return is_last || fault_set(fault, EXIT_CODE_INVALID, "%s: line %zu is not a JSON object", path, json_array_size(lines) + 1);
}

json_t *journal_load(const char *path, struct fault *fault)
{
    FILE *in = fopen(path, "re");
    if (!in) {
        failed(path, "cannot read", fault);
        return NULL;
    }
    json_t *lines = json_array();
    char *text = NULL;
    size_t room = 0;
    bool ok = lines != NULL;
    for (ssize_t n; ok && (n = getline(&text, &room, in)) > 0;) {
        int next = getc(in);
        bool torn = text[n - 1] != '\n';
        ok = torn || load_line(lines, text, (size_t)n, next == EOF, path, fault);
        if (next != EOF)
            ungetc(next, in);
    }
    free(text);
    fclose(in);
    if (ok && json_array_size(lines) == 0)
        ok = fault_set(fault, EXIT_CODE_INVALID, "%s: no whole line", path);
    if (ok)
        return lines;
    json_decref(lines);
    return NULL;
}
