/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model file means: a right one opens; each wrong key, tensor, scale or code is refused by name. Cases 28, 39, 40 and 42
 * to 46 of the malformed inputs; the others are in gguf_test.c.
 */
#include "malformed.h"

#include "format/gguf_write.h"
#include "model/plan.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { WIDTH = 128, FFN = 256, LAYERS = 2, VOCABULARY = 16, CONTEXT = 32 };

/* A key of the network: a right file has all of these. */
struct key {
    const char *name;
    enum tern_gguf_type type;
    double value;
};
static const struct key right_keys[] = {
    {"context_length", TERN_GGUF_U32, CONTEXT},     {"embedding_length", TERN_GGUF_U32, WIDTH}, {"block_count", TERN_GGUF_U32, LAYERS},
    {"feed_forward_length", TERN_GGUF_U32, FFN},    {"attention.head_count", TERN_GGUF_U32, 4}, {"attention.head_count_kv", TERN_GGUF_U32, 2},
    {"attention.layer_norm_rms_epsilon", TERN_GGUF_F32, 1e-5},
};
enum { N_KEYS = sizeof right_keys / sizeof *right_keys };

/* What is different from a right file. Zeroed: nothing. */
struct change {
    int number; /* of the list of malformed inputs; 0: not on it */
    const char *rule; /* part of the error */
    const char *architecture;
    struct key key;          /* replaces one of the same name, or is added; "name!" is a whole name, without the prefix */
    const char *drop_key;
    const char *text_key, *text;     /* a string key more, its whole name */
    const char *array;               /* an array key more, its whole name … */
    enum tern_gguf_type array_type;  /* … of this type … */
    uint64_t array_n;                /* … and length */
    const char *drop_tensor, *rename, *to;
    const char *reshape;             /* a tensor that gets twice the rows (a norm: twice the numbers) */
    const char *extra;               /* a tensor F32 [1] more, with the number `scale` */
    enum tern_type weights;          /* 0: I2_S (F32 cannot be asked for) */
    float scale;                     /* of attn_q of layer 1; 0: 0.5 */
    bool has_zero_scale;
    bool has_code_3;                 /* in ffn_up of layer 0 */
};

static struct tern_gguf_writer w;
static const struct change *now;
static struct { char name[64]; uint64_t rows, columns; enum tern_type type; } tensors[64];
static size_t n_tensors;

static void write_key(const char *architecture, const struct key *k)
{
    char name[96];
    if (strchr(k->name, '!')) /* a whole name */
        snprintf(name, sizeof name, "%.*s", (int)strcspn(k->name, "!"), k->name);
    else
        snprintf(name, sizeof name, "%s.%s", architecture, k->name);
    if (k->type == TERN_GGUF_F32)
        tern_gguf_write_f32(&w, name, (float)k->value);
    else if (k->type == TERN_GGUF_STRING)
        tern_gguf_write_string(&w, name, "text");
    else
        tern_gguf_write_u32(&w, name, (uint32_t)k->value);
}

static void write_keys(void)
{
    const char *architecture = now->architecture ? now->architecture : "bitnet";
    bool replaced = !now->key.name;
    tern_gguf_write_string(&w, "general.architecture", architecture);
    for (size_t i = 0; i < N_KEYS; i++) {
        bool is_this = now->key.name && strcmp(now->key.name, right_keys[i].name) == 0;
        if (now->drop_key && strcmp(now->drop_key, right_keys[i].name) == 0)
            continue;
        write_key(architecture, is_this ? &now->key : &right_keys[i]);
        replaced |= is_this;
    }
    if (!replaced)
        write_key(architecture, &now->key);
    if (now->text_key)
        tern_gguf_write_string(&w, now->text_key, now->text);
    if (now->array && now->array_type == TERN_GGUF_STRING) {
        const char *words[64] = {0};
        for (uint64_t i = 0; i < now->array_n; i++)
            words[i] = "word";
        tern_gguf_write_strings(&w, now->array, now->array_n, words);
    } else if (now->array) {
        tern_gguf_write_array(&w, now->array, now->array_type, now->array_n, (uint8_t[512]){0});
    }
}

static void add_tensor(const char *name, uint64_t rows, uint64_t columns, enum tern_type type)
{
    if (now->drop_tensor && strcmp(now->drop_tensor, name) == 0)
        return;
    if (now->reshape && strcmp(now->reshape, name) == 0) {
        columns *= rows ? 1 : 2;
        rows *= 2;
    }
    snprintf(tensors[n_tensors].name, sizeof tensors->name, "%s", now->rename && strcmp(now->rename, name) == 0 ? now->to : name);
    tensors[n_tensors].rows = rows;
    tensors[n_tensors].columns = columns;
    tensors[n_tensors++].type = type;
}

static void add_tensors(void)
{
    struct tern_config c = {.width = WIDTH, .ffn = FFN, .n_heads = 4, .n_kv_heads = 2, .head_size = WIDTH / 4};
    char name[64];
    n_tensors = 0;
    add_tensor("token_embd.weight", VOCABULARY, WIDTH, TERN_TYPE_F16);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
            uint64_t rows, columns;
            tern_role_shape(&c, r, &rows, &columns);
            snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, tern_role(r)->name);
            bool is_matrix = tern_role(r)->is_matrix;
            add_tensor(name, is_matrix ? rows : 0, is_matrix ? columns : rows, is_matrix ? now->weights ? now->weights : TERN_TYPE_I2_S : TERN_TYPE_F32);
        }
    }
    add_tensor("output_norm.weight", 0, WIDTH, TERN_TYPE_F32);
    if (now->extra)
        add_tensor(now->extra, 0, 1, TERN_TYPE_F32);
}

static void write_data(size_t i)
{
    static int8_t trits[4 * FFN * WIDTH];
    static uint8_t bytes[4 * 4 * FFN * WIDTH];
    float floats[2 * FFN];
    uint64_t size, rows = tensors[i].rows ? tensors[i].rows : 1, columns = tensors[i].columns;
    const struct tern_type_row *type = tern_type_find(tensors[i].type);
    assert_true(tern_type_bytes(type, columns, rows, &size) && size <= sizeof bytes);
    if (tern_type_is_ternary(tensors[i].type)) {
        bool is_scaled = !now->extra && strcmp(tensors[i].name, "blk.1.attn_q.weight") == 0;
        for (uint64_t k = 0; k < rows * columns; k++)
            trits[k] = (int8_t)(k % 3) - 1;
        if (now->has_code_3 && strcmp(tensors[i].name, "blk.0.ffn_up.weight") == 0)
            trits[3 * columns + 7] = 2;
        tern_trits_pack(tensors[i].type, trits, is_scaled && (now->scale != 0 || now->has_zero_scale) ? now->scale : 0.5f, rows, columns, bytes);
    } else {
        for (uint64_t k = 0; k < columns; k++)
            floats[k] = now->extra && strcmp(tensors[i].name, now->extra) == 0 ? now->scale : 1;
        for (uint64_t r = 0; r < rows; r++)
            tern_floats_pack(tensors[i].type, floats, columns, bytes + r * (size / rows));
    }
    tern_gguf_write_data(&w, bytes, size);
}

/* Writes the file of a change; returns its bytes. */
static size_t write_changed(const struct change *change, char *path)
{
    struct tern_error err;
    FILE *file = fdopen(mkstemp(path), "wb");
    now = change;
    tern_gguf_writer_init(&w, file);
    write_keys();
    add_tensors();
    for (size_t i = 0; i < n_tensors; i++)
        tern_gguf_write_tensor(&w, tensors[i].name, tensors[i].type, tensors[i].rows ? 2 : 1, (uint64_t[]){tensors[i].columns, tensors[i].rows});
    for (size_t i = 0; i < n_tensors; i++)
        write_data(i);
    assert_int_equal(tern_gguf_writer_end(&w, NULL, &err), TERN_OK);
    const long bytes = ftell(file);
    fclose(file);
    return (size_t)bytes;
}

/* Writes the file of a change, opens it and binds it; the first error is in `err`. */
static enum tern_status open_changed(const struct change *change, struct tern_config *config, struct tern_error *err)
{
    char path[] = "/tmp/ternmark-config-XXXXXX";
    struct tern_model *model = NULL;
    struct tern_plan *plan = NULL;
    const size_t bytes = write_changed(change, path);
    const struct refusal r = refusal_begin();
    enum tern_status status = tern_model_open(path, NULL, &model, err);
    if (status == TERN_OK && config)
        *config = model->config;
    if (status == TERN_OK)
        status = tern_plan_open(model, NULL, &plan, err);
    tern_plan_close(plan);
    tern_model_close(model);
    tern_gguf_cache_clear();
    if (status != TERN_OK)
        refusal_end(r, change->number, change->rule, bytes);
    unlink(path);
    return status;
}

#define U(name, value) {name, TERN_GGUF_U32, value}
#define F(name, value) {name, TERN_GGUF_F32, value}

static const struct change wrong[] = {
    {28, "array of f32", .array = "tokenizer.ggml.scores", .array_type = TERN_GGUF_I8, .array_n = VOCABULARY},
    {28, "array of i32", .array = "tokenizer.ggml.token_type", .array_type = TERN_GGUF_I8, .array_n = VOCABULARY},
    {28, "array of string", .array = "tokenizer.ggml.tokens", .array_type = TERN_GGUF_U8, .array_n = VOCABULARY},
    {39, "blk.1.attn_q.weight has the scale nan", .scale = NAN},
    {39, "blk.1.attn_q.weight has the scale inf", .scale = INFINITY},
    {39, "blk.1.attn_q.weight has the scale -inf", .scale = -INFINITY},
    {39, "blk.1.attn_q.weight has the scale 0", .has_zero_scale = true},
    {39, "blk.1.attn_q.weight has the scale 9.99995e-41", .scale = 1e-40f},
    {39, "blk.0.ffn_up.scale is the scale nan", .extra = "blk.0.ffn_up.scale", .scale = NAN},
    {39, "blk.0.ffn_up.scale is the scale 0", .extra = "blk.0.ffn_up.scale", .has_zero_scale = true},
    {40, "blk.0.ffn_up.weight: row 3, column 7 holds code 3", .has_code_3 = true},
    {42, "blk.2.attn_norm.weight is missing (block_count is 3)", .key = U("block_count", 3)},
    {42, "blk.1.attn_norm.weight is beyond block_count 1", .key = U("block_count", 1)},
    {42, "block_count is 2.14748e+09", .key = U("block_count", 2147483648.0)},
    {42, "block_count is 0", .key = U("block_count", 0)},
    {43, "attention.head_count is 0", .key = U("attention.head_count", 0)},
    {43, "5 heads do not divide the width 128", .key = U("attention.head_count", 5)},
    {43, "8 heads of keys do not divide 4 heads", .key = U("attention.head_count_kv", 8)},
    {43, "3 heads of keys do not divide 4 heads", .key = U("attention.head_count_kv", 3)},
    {43, "odd head size 1", .key = U("attention.head_count", 128)},
    {44, "tokenizer.ggml.tokens has 15 entries, the embedding 16 rows", .array = "tokenizer.ggml.tokens", .array_type = TERN_GGUF_STRING, .array_n = 15},
    {44, "tokenizer.ggml.bos_token_id is no row", .key = U("tokenizer.ggml.bos_token_id!", 16)},
    {44, "vocab_size: 17 is not", .key = U("vocab_size", 17)},
    {45, "context_length is 0", .key = U("context_length", 0)},
    {45, "context_length is 2.14748e+09", .key = U("context_length", 2147483648.0)},
    {46, "tensor blk.1.ffn_down.weight is missing", .drop_tensor = "blk.1.ffn_down.weight"},
    {46, "tensor token_embd.weight is missing", .drop_tensor = "token_embd.weight"},
    {46, "tensor output_norm.weight is missing", .drop_tensor = "output_norm.weight"},
    {46, "blk.0.attn_k.weight is 128 x 128, its role needs 128 x 64", .reshape = "blk.0.attn_k.weight"},
    {46, "blk.0.ffn_sub_norm.weight has 1 dimensions, the first 512, not one of 256", .reshape = "blk.0.ffn_sub_norm.weight"},
    {0, "architecture is none of", .architecture = "llama"},
    {0, "embedding_length is missing", .drop_key = "embedding_length"},
    {0, "layer_norm_rms_epsilon is nan", .key = F("attention.layer_norm_rms_epsilon", NAN)},
    {0, "layer_norm_rms_epsilon is not a number", .key = {"attention.layer_norm_rms_epsilon", TERN_GGUF_STRING, 0}},
    {0, "feed_forward_length is not a whole number", .key = F("feed_forward_length", FFN)},
    {0, "bitnet.attention.sliding_window is not known", .key = U("attention.sliding_window", 8)},
    {0, "bitnet.expert_count has a value", .key = U("expert_count", 8)},
    {0, "rope.dimension_count: 16 is not the head size 32", .key = U("rope.dimension_count", 16)},
    {0, "rope.scaling.type is neither", .text_key = "bitnet.rope.scaling.type", .text = "yarn"},
    {0, "hidden_act is neither", .text_key = "bitnet.hidden_act", .text = "gelu"},
    {0, "blk.0.attn_q.bias is not known in a bitnet network", .extra = "blk.0.attn_q.bias", .scale = 1},
    {0, "blk.01.attn_q.weight is not known", .rename = "blk.1.attn_q.weight", .to = "blk.01.attn_q.weight"},
    {0, "blk.0.attn_norm.scale is not known", .extra = "blk.0.attn_norm.scale", .scale = 1},
    {0, "rope_freqs.weight is not known", .extra = "rope_freqs.weight", .scale = 1},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tern_error err = {0};
        enum tern_status status = open_changed(&wrong[i], NULL, &err);
        if (status != TERN_INVALID || !strstr(err.text, wrong[i].rule) || !strstr(err.text, ": offset ") || !strstr(err.text, "(rule ") || !is_printable(err.text))
            fail_msg("case %d: status %d, \"%s\", wanted \"%s\"", wrong[i].number, (int)status, err.text, wrong[i].rule);
    }
}

static void test_right(void **state)
{
    (void)state;
    static const struct {
        struct change change;
        enum tern_activation activation;
    } right[] = {
        {{0}, TERN_ACTIVATION_SILU},
        {{.architecture = "bitnet-b1.58"}, TERN_ACTIVATION_RELU2},
        {{.architecture = "bitnet-25"}, TERN_ACTIVATION_RELU2},
        {{.text_key = "bitnet.hidden_act", .text = "relu2"}, TERN_ACTIVATION_RELU2},
        {{.extra = "blk.0.ffn_up.scale", .scale = 0.25f}, TERN_ACTIVATION_SILU},
        {{.drop_key = "attention.head_count_kv"}, TERN_ACTIVATION_SILU},
        {{.text_key = "bitnet.rope.scaling.type", .text = "none"}, TERN_ACTIVATION_SILU},
        {{.text_key = "tokenizer.ggml.model", .text = "llama"}, TERN_ACTIVATION_SILU},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct tern_error err = {0};
        struct tern_config c;
        enum tern_status status = open_changed(&right[i].change, &c, &err);
        if (right[i].change.drop_key) { /* as many heads of keys as heads: then attn_k has the wrong shape */
            assert_int_equal(status, TERN_INVALID);
            assert_non_null(strstr(err.text, "attn_k.weight is 128 x 64, its role needs 128 x 128"));
            continue;
        }
        if (status != TERN_OK)
            fail_msg("%zu: %s", i, err.text);
        assert_int_equal(c.activation, right[i].activation);
        assert_true(c.is_tied && c.vocabulary == VOCABULARY && c.head_size == 32 && c.rope_base == 10000 && c.rope_scale == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right), cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, malformed_print);
}
