/* state.c - the machine's state table: names and allowed changes, both from vm_state.def. */
#include "vmm/vm/vm.h"

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[VM_STATE_COUNT] = {
#define VM_STATE(name) [VM_##name] = #name,
#define VM_CHANGE(from, to)
#include "vmm/vm/vm_state.def"
    };

    return (unsigned)state < VM_STATE_COUNT ? names[state] : "?";
}

bool vm_state_allowed(enum vm_state from, enum vm_state to)
{
    static const bool allowed[VM_STATE_COUNT][VM_STATE_COUNT] = {
#define VM_STATE(name)
#define VM_CHANGE(a, b) [VM_##a][VM_##b] = true,
#include "vmm/vm/vm_state.def"
    };

    return (unsigned)from < VM_STATE_COUNT && (unsigned)to < VM_STATE_COUNT && allowed[from][to];
}
