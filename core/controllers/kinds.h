/* The list of methods: one line each. To add one, write core/controllers/NAME.c, which defines
 * `const struct controller_kind controller_NAME`, and add a line here (and the file to the
 * Makefile's list). The order is that of lists and of frontiers in tables.
 */
#ifndef KARMA_CONTROLLERS_KINDS_H
#define KARMA_CONTROLLERS_KINDS_H

#include "core/controllers/controller.h"

#define CONTROLLER_KINDS(X)                                                                        \
    X(nothing)                                                                                     \
    X(static)                                                                                      \
    X(khpa)                                                                                        \
    X(ff)                                                                                          \
    X(mpc)                                                                                         \
    X(policy)                                                                                      \
    X(oracle)                                                                                      \
    X(explore)                                                                                     \
    X(scripted)

#define CONTROLLER_DECLARE_(name) extern const struct controller_kind controller_##name;
CONTROLLER_KINDS(CONTROLLER_DECLARE_)
#undef CONTROLLER_DECLARE_

/* Element of controller_kinds. */
#define CONTROLLER_ELEMENT(name) &controller_##name.cfg,

#endif
