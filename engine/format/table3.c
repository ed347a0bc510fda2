/* SPDX-License-Identifier: Apache-2.0 */
#include "format/table3.h"

/* By the fourth code: the first number of its quadruples, and how many of its 27 have one. The first number of all is no escape (fix[0]
 * stands for none), so the escapes of fourth code 0 begin one later. */
static const uint8_t first[3] = { 0, 22, 43 }, numbered[3] = { 22, 21, 21 };

static uint8_t fourth_of(uint8_t number)
{
    return (uint8_t)((number >= first[1]) + (number >= first[2]));
}

uint8_t tern_table3_byte(const uint8_t codes[5])
{
    uint8_t fourth = codes[3];
    int triple = codes[0] + 3 * codes[1] + 9 * codes[2];
    if (triple < numbered[fourth])
        return (uint8_t)(codes[4] << 6 | (first[fourth] + triple));
    return (uint8_t)(192 | (first[fourth] + (fourth == 0) + 3 * (triple - numbered[fourth]) + codes[4]));
}

void tern_table3_codes(uint8_t byte, uint8_t codes[5])
{
    uint8_t number = byte & 63, fourth = fourth_of(number);
    int triple = number - first[fourth], fifth = byte >> 6;
    if (fifth == 3) {
        int escape = triple - (fourth == 0);
        fifth = escape % 3;
        triple = numbered[fourth] + escape / 3;
        if (escape < 0 || triple >= 27) { /* no code */
            triple = 13;
            fifth = 1;
            fourth = 1;
        }
    }
    codes[0] = (uint8_t)(triple % 3);
    codes[1] = (uint8_t)(triple / 3 % 3);
    codes[2] = (uint8_t)(triple / 9);
    codes[3] = fourth;
    codes[4] = (uint8_t)fifth;
}

static uint8_t fields_of(const uint8_t codes[5])
{
    return (uint8_t)(codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6);
}

void tern_table3_tables(uint8_t low[64], uint8_t fix[64])
{
    uint8_t codes[5];
    for (int i = 0; i < 64; i++) {
        tern_table3_codes((uint8_t)i, codes);
        low[i] = fields_of(codes);
    }
    fix[0] = 0;
    for (int e = 1; e < 64; e++) {
        tern_table3_codes((uint8_t)(192 | e), codes);
        fix[e] = (uint8_t)(((fields_of(codes) ^ low[e]) & 63) | (3 ^ codes[4]) << 6);
    }
}
