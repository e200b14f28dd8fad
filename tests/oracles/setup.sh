#!/usr/bin/env bash
# Environments of the frameworks that run what netglot writes, each in an interpreter of its own:
#
#   tests/oracles/setup.sh FOLDER [mxnet] [opencv] [cntk] [tf1] [paddle]     all of them when none is named
#
# Afterwards FOLDER/mxnet/bin/python, FOLDER/opencv/bin/python (Caffe and Darknet), FOLDER/cntk/python,
# FOLDER/tf1/bin/python and FOLDER/paddle/bin/python. An environment that is there already is left as it is. Old
# interpreters are looked for as python3.6 and so on, and among those of pyenv; what is missing is told, and the rest made.
set -uo pipefail

folder=${1:?usage: setup.sh FOLDER [mxnet] [opencv] [cntk] [tf1] [paddle]}
shift
[ $# -gt 0 ] || set -- mxnet opencv cntk tf1 paddle
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
failed=0

# interpreter VERSION: the path of a Python of this version; one that only stands in for pyenv's may not run
interpreter() {
  local found
  found=$(command -v "python$1")
  if [ -n "$found" ] && "$found" -c '' 2>/dev/null; then
    echo "$found"
  elif command -v pyenv >/dev/null; then
    found=$(pyenv versions --bare | grep "^$1\." | sort -V | tail -n 1)
    [ -n "$found" ] && echo "$(pyenv root)/versions/$found/bin/python"
  fi
}

# environment NAME VERSION PACKAGES...: a virtual environment with these packages
environment() {
  local name=$1 version=$2 python
  shift 2
  python=$(interpreter "$version")
  if [ -z "$python" ]; then
    echo "$name: no Python $version here, so it is left out (pyenv install $version)" >&2
    return 1
  fi
  "$python" -m venv "$folder/$name" && "$folder/$name/bin/python" -m pip install --quiet "$@"
}

# CNTK asks for the libraries of OpenMPI 1.10; those of OpenMPI 4 serve it on one processor.
cntk() {
  environment cntk 3.6 cntk==2.7 || return 1
  local name library
  mkdir -p "$folder/cntk/mpi"
  for name in libmpi.so.40:libmpi.so.12 libmpi_cxx.so.40:libmpi_cxx.so.1; do
    library=$(ldconfig -p | awk -v wanted="${name%%:*}" '$1 == wanted { print $NF; exit }')
    if [ -z "$library" ]; then
      echo "cntk: ${name%%:*} is missing (on Debian: apt-get install libopenmpi3)" >&2
      return 1
    fi
    ln -sf "$library" "$folder/cntk/mpi/${name##*:}"
  done
  {
    echo '#!/bin/sh'
    echo "LD_LIBRARY_PATH=\"$folder/cntk/mpi\" exec \"$folder/cntk/bin/python\" -W ignore \"\$@\""
  } > "$folder/cntk/python"
  chmod +x "$folder/cntk/python"
}

make_one() {
  case $1 in
    mxnet) environment mxnet 3.10 'numpy<1.24' mxnet==1.9.1 ;;
    opencv) environment opencv 3.11 'opencv-python-headless<5' numpy ;;
    cntk) cntk ;;
    tf1) environment tf1 3.7 tensorflow==1.15.5 'protobuf<3.21' keras==2.3.1 'h5py<3' ;;
    paddle) environment paddle 3.11 paddlepaddle==3.3.0 setuptools ;;
    *) echo "no environment is called $1" >&2; return 2 ;;
  esac
}

for name in "$@"; do
  if [ -e "$folder/$name/ready" ]; then
    echo "$name: is there"
  elif make_one "$name"; then
    touch "$folder/$name/ready"
    echo "$name: made"
  else
    failed=1
  fi
done
exit $failed
