/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target of the model reader: any bytes are parsed, looked up, decoded and read as a configuration. `make fuzz` runs
 * it with libFuzzer; corpus_test.c replays the corpus through the same function.
 */
#include "fuzz_gguf.h"

#include "format/gguf.h"
#include "model/config.h"

#include <string.h>

enum { COLUMNS_MAX = 4096 };

static void walk_keys(const struct tern_gguf *gguf)
{
    struct tern_gguf_key key;
    struct tern_gguf_string string;
    char text[64];
    for (uint64_t i = 0; i < tern_gguf_n_keys(gguf); i++) {
        if (!tern_gguf_key(gguf, i, &key))
            __builtin_trap(); /* what the pass accepted must be found again */
        tern_gguf_escape(text, sizeof text, key.name.bytes, key.name.length);
        if (key.type == TERN_GGUF_ARRAY && key.array.type == TERN_GGUF_STRING && key.array.n &&
            !tern_gguf_array_string(&key, key.array.n - 1, &string))
            __builtin_trap();
    }
}

static void walk_tensors(const struct tern_gguf *gguf)
{
    static float row[COLUMNS_MAX], scales[COLUMNS_MAX];
    static int8_t trits[COLUMNS_MAX];
    struct tern_gguf_tensor t;
    uint64_t bad;
    volatile uint8_t last = 0;
    for (uint64_t i = 0; i < tern_gguf_n_tensors(gguf); i++) {
        if (!tern_gguf_tensor(gguf, i, &t))
            __builtin_trap();
        last = t.bytes[t.size - 1];
        struct tern_matrix m = {t.bytes, t.dims[1] * t.dims[2] * t.dims[3], t.dims[0], (enum tern_type)t.type->id, 0};
        if (t.dims[0] > COLUMNS_MAX)
            continue;
        tern_matrix_row(&m, m.n_rows - 1, row);
        if (tern_type_is_ternary(m.type))
            tern_matrix_trits(&m, m.n_rows - 1, trits, scales, &bad);
    }
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tern_gguf *gguf;
    struct tern_error err;
    struct tern_config config;
    if (tern_gguf_parse(bytes, size, "input", &gguf, &err) != TERN_OK)
        return 0;
    walk_keys(gguf);
    walk_tensors(gguf);
    if (tern_config_read(gguf, &config, &err) == TERN_OK)
        tern_config_check_tensors(&config, gguf, &err);
    tern_gguf_close(gguf);
    return 0;
}
