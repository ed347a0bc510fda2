/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/cards.h"
#include "probe/gpu.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CARDS_MOST = 64 };

static json_t *absent(const char *why)
{
    return json_pack("{s:s}", "absent", why);
}

static int chosen(void)
{
    const char *text = getenv("TERN_CUDA_DEVICE");
    return text && *text >= '0' && *text <= '9' ? atoi(text) : 0;
}

static json_t *ask(const char *library)
{
    json_t *list = json_array();
    char why[128] = "no card";
    struct gpu_card card;
    for (int i = 0; i < CARDS_MOST && gpu_open(library, i, why, sizeof why) && gpu_describe(&card); i++)
        json_array_append_new(list, json_pack("{s:i,s:s,s:s,s:f,s:b}", "ordinal", i, "name", card.name, "uuid", card.uuid, "memory_bytes", card.memory_bytes, "chosen", i == chosen()));
    gpu_close();
    if (json_array_size(list))
        return list;
    json_decref(list);
    return absent(why);
}

json_t *cards_list(const char *library)
{
    int ends[2];
    pid_t child = pipe(ends) ? -1 : fork();
    if (child < 0)
        return absent("no process to ask in");
    if (child == 0) {
        close(ends[0]);
        _exit(json_dumpfd(ask(library), ends[1], JSON_COMPACT) != 0);
    }
    close(ends[1]);
    json_t *list = json_loadfd(ends[0], 0, NULL);
    close(ends[0]);
    waitpid(child, NULL, 0);
    return list ? list : absent("NVML ended the process that asked it");
}
