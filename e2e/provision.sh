#!/usr/bin/env bash
# Makes a real Home Assistant Core ready to run and prints the path of its `hass` on the last line. Again is instant.
#
#   E2E_CACHE    where it is kept (default ~/.cache/grid2mqtt-e2e, 0.9 GB)
#   E2E_VERSION  which Home Assistant (default: the file VERSION beside this one)
#
# Exits 3 with one line where this machine cannot have one.
#
# Home Assistant needs Python >= 3.14.2. A `python3.14` on PATH is used; else root on Debian makes a small Debian tree that has
# it, and `hass` runs inside: the same process, network and files, its own libraries. What Home Assistant would install while
# starting is installed here, at the versions it pins.
set -euo pipefail
VERSION="${E2E_VERSION:-$(cat "$(dirname "$0")/VERSION")}"
CACHE="${E2E_CACHE:-$HOME/.cache/grid2mqtt-e2e}"
TREE="$CACHE/tree"
VENV="$CACHE/venv-$VERSION"
HASS="$CACHE/hass-$VERSION"
READY="$CACHE/ready-$VERSION-$(cksum <"$0" | cut -d' ' -f1)"
MISSING="Home Assistant $VERSION needs python3.14 on PATH, or root on Debian"
ENTER=""

say() { echo "provision: $*" >&2; }
fail() { say "$1"; if [ -f "${2:-}" ]; then tail -20 "$2" >&2; fi; exit 1; }
missing() { say "$1"; exit 3; }

install_debootstrap() {
  say "installing debootstrap"
  { apt-get update -qq && apt-get install -y -qq debootstrap; } >"$CACHE/apt.log" 2>&1 || fail "apt-get:" "$CACHE/apt.log"
}

make_tree() {
  say "making a Debian tree with Python 3.14"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/\?$') || fail "apt knows no Debian mirror"
  rm -rf "$TREE.new"
  # An older debootstrap does not know forky by name; the script for sid makes every Debian.
  debootstrap --variant=minbase --include=ca-certificates,python3.14-venv \
    forky "$TREE.new" "$mirror" /usr/share/debootstrap/scripts/sid >"$CACHE/debootstrap.log" 2>&1 ||
    fail "debootstrap:" "$CACHE/debootstrap.log"
  rm -rf "$TREE.new"/var/cache/apt/* "$TREE.new"/var/lib/apt/lists/* "$TREE.new"/usr/share/{doc,man,locale}/* "$TREE"
  mv "$TREE.new" "$TREE"
}

# Everything of the host but its programs and libraries stays visible at the same paths. The mounts are seen by this process
# only, and it stays the same process, so that a signal reaches `hass` itself.
write_enter() {
  cat >"$ENTER" <<EOF
#!/bin/sh
[ "\$IN_TREE" = "$TREE" ] || IN_TREE="$TREE" exec unshare -m "\$0" "\$@"
unset IN_TREE PIP_FIND_LINKS
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
for p in /* /etc/ssl /etc/resolv.conf /etc/hosts; do
  case "\$p" in /bin|/sbin|/lib*|/usr|/etc|/var|/boot) continue ;; esac
  if [ -d "\$p" ]; then mkdir -p "$TREE\$p"; else [ -e "$TREE\$p" ] || : >"$TREE\$p"; fi
  mount --rbind "\$p" "$TREE\$p"
done
exec chroot "$TREE" env -C "\$PWD" "\$@"
EOF
  chmod +x "$ENTER"
  "$ENTER" true || missing "Home Assistant runs in $TREE, which needs the right to mount"
}

# The requirements of what is always loaded, of what the tests' configuration names, and of all they depend on. Voice, camera
# snapshots and ffmpeg need a compiler or big libraries and nothing here uses them: empty stand-ins let their integrations load
# without an error in the log.
list_requirements() {
  $ENTER "$VENV/bin/python" - <<'EOF'
import json, pathlib
from homeassistant import bootstrap, components

root = pathlib.Path(components.__path__[0])
named = """mqtt isal recorder history logbook energy template generic_thermostat webhook file_upload media_source my sun
  system_log homeassistant_alerts"""
todo, seen, wanted = bootstrap.DEFAULT_INTEGRATIONS | set(named.split()), set(), set()
while todo:
    seen.add(name := todo.pop())
    manifest = json.loads((root / name / "manifest.json").read_text())
    wanted.update(manifest.get("requirements", []))
    todo |= {*manifest.get("dependencies", []), *manifest.get("after_dependencies", [])} - seen

empty = {"pymicro-vad": ("pymicro_vad", "MicroVad"), "pyspeex-noise": ("pyspeex_noise", "AudioProcessor"), "PyTurboJPEG": ("turbojpeg", "TurboJPEG")}
site = root.parent.parent
for line in sorted(wanted):
    name, _, version = line.partition("==")
    if name not in empty:
        print(line)
        continue
    if name == "PyTurboJPEG":
        print("numpy")  # comes along with the real one, and others count on it
    module, word = empty[name]
    (site / f"{module}.py").write_text(f"class {word}: pass\n")
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
EOF
}

uv() { $ENTER "$VENV/bin/uv" pip install -q --python "$VENV/bin/python" "$@" >"$CACHE/uv.log" 2>&1 || fail "uv pip install:" "$CACHE/uv.log"; }

install_hass() {
  local site="$VENV/lib/python3.14/site-packages"
  [ -x "$VENV/bin/pip" ] || { say "making a virtual environment"; $ENTER python3.14 -m venv "$VENV"; }
  say "installing Home Assistant $VERSION"
  $ENTER "$VENV/bin/pip" install -q uv >"$CACHE/pip.log" 2>&1 || fail "pip install uv:" "$CACHE/pip.log"
  uv "homeassistant==$VERSION"
  list_requirements >"$CACHE/requirements.txt" || fail "cannot read what the integrations require"
  printf '#!/bin/sh\necho "ffmpeg version 7.1"\n' >"$VENV/bin/ffmpeg"
  chmod +x "$VENV/bin/ffmpeg"
  say "installing what it needs while running"
  uv -c "$site/homeassistant/package_constraints.txt" -r "$CACHE/requirements.txt"
  rm -rf "$site"/hass_frontend/frontend_es5/*
  find "$site/hass_frontend" -name '*.map' -delete
  printf '#!/bin/sh\nPATH="%s/bin:$PATH" exec %s "%s/bin/hass" "$@"\n' "$VENV" "${ENTER:+\"$ENTER\"}" "$VENV" >"$HASS"
  chmod +x "$HASS"
}

if [ -f "$READY" ]; then echo "$HASS"; exit 0; fi
if ! command -v python3.14 >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then missing "$MISSING"; fi
  ENTER="$CACHE/enter"
fi
mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
! command -v flock >/dev/null || flock 9
if [ ! -f "$READY" ]; then
  if [ -n "$ENTER" ]; then
    command -v debootstrap >/dev/null || install_debootstrap
    [ -x "$TREE/usr/bin/python3.14" ] || make_tree
    write_enter
  fi
  install_hass
  touch "$READY"
fi
echo "$HASS"
