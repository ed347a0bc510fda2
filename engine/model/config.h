/* SPDX-License-Identifier: Apache-2.0
 *
 * What a BitNet b1.58 model file says of its network, and that its tensors are those of that network.
 *
 * Architectures, by the name the file uses (it is also the prefix of its keys):
 *   bitnet          gated SiLU, unless `hidden_act` says relu2     (llama.cpp)
 *   bitnet-b1.58    gated squared ReLU                             (2B-4T, bitnet.cpp)
 *   bitnet-25       gated squared ReLU                             (bitnet.cpp, another converter)
 *
 * Unknown keys below the prefix and unknown tensors are refused by name: a network that we do not compute must not load.
 * Source: BitNet b1.58 2B4T report, arXiv:2504.12285, and the key and tensor names that public converters write.
 */
#ifndef TERN_CONFIG_H
#define TERN_CONFIG_H

#include "format/gguf.h"

enum tern_activation { TERN_ACTIVATION_SILU, TERN_ACTIVATION_RELU2 };

struct tern_config {
    char architecture[32];
    enum tern_activation activation;
#define UINT(field, key, least, most, required, fallback) uint32_t field;
#define REAL(field, key, least, most, required, fallback) float field;
#define FIXED(key, value)
#define IGNORED(key)
#include "model/config.def"
#undef UINT
#undef REAL
#undef FIXED
#undef IGNORED
    uint32_t vocabulary; /* rows of the embedding */
    uint32_t head_size;  /* width / n_heads; even */
    double rope_scale;   /* positions are multiplied by it: 1, or 1 / the linear scaling factor */
    bool is_tied;        /* there is no output.weight: the embedding is the output matrix too */
};

/* The tensors of a layer, one row: ROLE(field, "name", is a matrix, outputs or size, inputs). A matrix has a ".weight" and may
 * have a ".scale"; a norm has a ".weight" of `outputs` numbers. */
#define TERN_ROLES(ROLE)                                     \
    ROLE(attn_norm, "attn_norm", false, width, width)        \
    ROLE(attn_q, "attn_q", true, width, width)               \
    ROLE(attn_k, "attn_k", true, kv, width)                  \
    ROLE(attn_v, "attn_v", true, kv, width)                  \
    ROLE(attn_sub_norm, "attn_sub_norm", false, width, width) \
    ROLE(attn_output, "attn_output", true, width, width)     \
    ROLE(ffn_norm, "ffn_norm", false, width, width)          \
    ROLE(ffn_gate, "ffn_gate", true, ffn, width)             \
    ROLE(ffn_up, "ffn_up", true, ffn, width)                 \
    ROLE(ffn_sub_norm, "ffn_sub_norm", false, ffn, ffn)      \
    ROLE(ffn_down, "ffn_down", true, width, ffn)

enum tern_role {
#define ROLE(field, name, is_matrix, outputs, inputs) TERN_ROLE_##field,
    TERN_ROLES(ROLE)
#undef ROLE
    TERN_N_ROLES
};

struct tern_role_row {
    const char *name;
    bool is_matrix;
};
const struct tern_role_row *tern_role(enum tern_role role);
/* Shape of a role's weight: outputs (or size of a norm) and inputs. */
void tern_role_shape(const struct tern_config *config, enum tern_role role, uint64_t *outputs, uint64_t *inputs);

/* Reads the keys and the embedding's shape. Errors: TERN_INVALID, naming the key or tensor. */
enum tern_status tern_config_read(const struct tern_gguf *gguf, struct tern_config *out, struct tern_error *err);

/* Every tensor has its role's shape and a type that can play it, none is missing, none is left over, scales are numbers. */
enum tern_status tern_config_check_tensors(const struct tern_config *config, const struct tern_gguf *gguf, struct tern_error *err);

/* The weight of a role in a layer, as it lies in the file; false when it is not there (never after check_tensors). */
bool tern_config_tensor(const struct tern_gguf *gguf, uint32_t layer, enum tern_role role, const char *suffix, struct tern_gguf_tensor *out);

#endif
