# A machine for load: `mmload deploy` brings all else. The exporter is for the board.
install_packages python3 python3-venv prometheus-node-exporter
ready
