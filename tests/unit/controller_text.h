/* A controller's configuration from a text such as "khpa: {target: 0.5}". */
#ifndef KARMA_TESTS_CONTROLLER_TEXT_H
#define KARMA_TESTS_CONTROLLER_TEXT_H

#include "core/controllers/controller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these first */
#include <cmocka.h>

static inline struct controller_cfg controller_text(struct arena *arena, const char *text)
{
    struct cfg reader;
    struct controller_cfg cfg = {0};
    cfg_init(&reader, controller_fields, sizeof cfg, arena);
    assert_int_equal(cfg_load_text(&reader, "controller", text, NULL, 0, &cfg), ERR_OK);
    return cfg;
}

#endif
