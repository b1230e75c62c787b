#!/usr/bin/env python3
"""apigen.py client|manual OUTPUT INTERFACE.xml... - what is made from the API's interface files.

client: a C header with one typed function for each method.  manual: the reference manual (Markdown).
"""
import re
import sys
import xml.etree.ElementTree as ET

# D-Bus type: argument in C, how it enters g_variant_new(), out-argument in C, how it leaves g_variant_get()
TYPES = {
    "s": ("const char *", "s", "char **", "s"),
    "o": ("const char *", "o", "char **", "o"),
    "b": ("bool ", "b", "gboolean *", "b"),
    "i": ("gint32 ", "i", "gint32 *", "i"),
    "u": ("guint32 ", "u", "guint32 *", "u"),
    "q": ("guint16 ", "q", "guint16 *", "q"),
    "x": ("gint64 ", "x", "gint64 *", "x"),
    "t": ("guint64 ", "t", "guint64 *", "t"),
    "as": ("const char *const *", "^as", "char ***", "^as"),
    "ao": ("const char *const *", "^ao", "char ***", "^ao"),
}


def types(kind):
    return TYPES.get(kind, ("GVariant *", "@" + kind, "GVariant **", "@" + kind))


def snake(name):
    name = name.replace("VMs", "Vms")
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def prefix(interface):
    return "i" + snake(interface[1:])


def doc(element):
    found = element.find("doc")
    return " ".join(found.text.split()) if found is not None and found.text else ""


def interfaces(paths):
    for path in paths:
        for interface in ET.parse(path).getroot().findall("interface"):
            yield interface.get("name").rsplit(".", 1)[1], interface


def method(out, interface, m):
    args = m.findall("arg")
    ins = [a for a in args if a.get("direction") == "in"]
    outs = [a for a in args if a.get("direction") == "out"]
    params = ["struct client *client", "const char *object"]
    params += [types(a.get("type"))[0] + snake(a.get("name")) for a in ins]
    params += [types(a.get("type"))[2] + "ret_" + snake(a.get("name")) for a in outs]
    params.append("GError **error")
    reply = "(" + "".join(a.get("type") for a in outs) + ")"
    signature = "(" + "".join(types(a.get("type"))[1] for a in ins) + ")"
    values = "".join(", " + snake(a.get("name")) for a in ins)
    given = f'g_variant_new("{signature}"{values})' if ins else "NULL"
    out.append(f"/** {doc(m)} */")
    out.append(f"static inline bool {prefix(interface)}_{snake(m.get('name'))}({', '.join(params)})")
    out.append("{")
    out.append(f'    g_autoptr(GVariant) reply = client_call(client, object, "{interface}", "{m.get("name")}", {given}, "{reply}", error);')
    if outs:
        fmt = "(" + "".join(types(a.get("type"))[3] for a in outs) + ")"
        names = "".join(", ret_" + snake(a.get("name")) for a in outs)
        out.append(f'    if (reply != NULL)\n        g_variant_get(reply, "{fmt}"{names});')
    out.append("    return reply != NULL;")
    out.append("}")


def client(paths):
    out = ["/* The API's methods as C functions; made by tools/apigen.py from src/main/api/. */",
           "#ifndef CLIENT_API_H", "#define CLIENT_API_H", '#include "client/client.h"']
    for name, interface in interfaces(paths):
        out.append(f"\n/* ---- {name}: {doc(interface)} ---- */\n")
        for m in interface.findall("method"):
            method(out, name, m)
    return out + ["#endif"]


def arguments(m, direction):
    return ", ".join(f"{a.get('enum') or a.get('type')} {a.get('name')}" for a in m.findall("arg")
                     if direction is None or a.get("direction") == direction)


def manual(paths):
    out = ["# The Main API: reference", "", "Made by tools/apigen.py from src/main/api/. Types are D-Bus signatures or the name of an enumeration.", ""]
    for name, interface in interfaces(paths):
        out += [f"## {name}", "", doc(interface), ""]
        rows = interface.findall("property")
        if rows:
            out += ["| property | type | access | |", "|---|---|---|---|"]
            out += [f"| {p.get('name')} | {p.get('enum') or p.get('type')} | {p.get('access')} | {doc(p)} |" for p in rows]
            out.append("")
        for m in interface.findall("method"):
            results = arguments(m, "out")
            out.append(f"- **{m.get('name')}**({arguments(m, 'in')}){' → ' + results if results else ''}: {doc(m)}")
        for s in interface.findall("signal"):
            out.append(f"- signal **{s.get('name')}**({arguments(s, None)}): {doc(s)}")
        out.append("")
    return out


def main():
    kind, output, *paths = sys.argv[1:]
    text = "\n".join({"client": client, "manual": manual}[kind](paths)) + "\n"
    with open(output, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
