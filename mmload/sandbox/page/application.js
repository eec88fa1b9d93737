// The sandbox's stand-in for Mattermost's web application: no part of that, and its speed says nothing about it.
// It has its roles, ids and test ids where browser users click and look, and works on the sandbox's API and WebSocket.
(() => {
  "use strict";
  const API = "/api/v4";
  const EMOJI = ["smile", "heart", "tada", "eyes", "rocket", "wave", "100", "coffee", "bug", "cat"];
  const root = () => document.getElementById("root");
  let me, team, channels = [], people = {}, members = {}, current = null, posts = [], atBeginning = false, openThread = null;

  const call = async (method, path, body) => {
    const answer = await fetch(API + path, {
      method,
      headers: {"X-Requested-With": "XMLHttpRequest", ...(body ? {"Content-Type": "application/json"} : {})},
      body: body ? JSON.stringify(body) : undefined,
    });
    if (answer.status === 401 && me) { me = null; showLogin(); }
    if (!answer.ok) throw Object.assign(new Error(`${method} ${path}: ${answer.status}`), {status: answer.status});
    return [await answer.json(), answer];
  };
  const get = async (path) => (await call("GET", path))[0];

  // An element; attributes beginning with "on" are listeners, text is text and never markup.
  const el = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const standIn = () => el("div", {id: "stand-in"}, "mmload's sandbox: a stand-in, not Mattermost's web application");

  // -- log-in --------------------------------------------------------------------------------------------------

  const showLogin = () => {
    history.replaceState(null, "", "/login");
    const name = el("input", {id: "input_loginId", type: "text", placeholder: "Email or Username"});
    const password = el("input", {id: "input_password-input", type: "password", placeholder: "Password"});
    const form = el("form", {class: "login"}, el("h1", {}, "Log in to your account"), name, password,
      el("button", {id: "saveSetting", type: "submit"}, "Log in"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const body = {login_id: name.value, password: password.value, token: "", deviceId: ""};
        const [user, answer] = await call("POST", "/users/login", body);
        document.cookie = `MMAUTHTOKEN=${answer.headers.get("Token")}; path=/`;
        document.cookie = `MMUSERID=${user.id}; path=/`;
        await start();
      } catch (error) {
        if (!form.querySelector(".AlertBanner")) {
          form.prepend(el("div", {class: "AlertBanner danger", role: "alert"},
            error.status === 401 ? "The email/username or password is invalid." : "The server cannot be reached."));
        }
      }
    });
    root().replaceChildren(standIn(), form);
  };

  // -- the application -----------------------------------------------------------------------------------------

  const start = async () => {
    try { me = await get("/users/me"); } catch { showLogin(); return; }
    const teams = await get("/users/me/teams");
    if (!teams.length) {
      history.replaceState(null, "", "/select_team");
      root().replaceChildren(standIn(), el("h1", {}, "Team selection"));
      return;
    }
    const [teamName, kind, name] = location.pathname.split("/").slice(1);
    team = teams.find((each) => each.name === teamName) || teams[0];
    await loadChannels();
    listen();
    const wanted = kind === "channels" || kind === "messages" ? channels.find((each) => path(each) === location.pathname) : null;
    await openChannel(wanted || channels.find((each) => each.name === "town-square") || channels[0]);
  };

  const loadChannels = async () => {
    const [mine, belonging] = await Promise.all([
      get(`/users/me/teams/${team.id}/channels`), get(`/users/me/teams/${team.id}/channels/members`)]);
    members = Object.fromEntries(belonging.map((each) => [each.channel_id, each]));
    channels = mine.filter((each) => members[each.id] && !each.delete_at);
    await know(channels.filter((each) => each.type === "D").map(other));
  };
  const other = (channel) => channel.name.split("__").find((each) => each !== me.id) || me.id;
  const know = async (ids) => {
    const unknown = [...new Set(ids)].filter((each) => each && !(each in people));
    if (!unknown.length) return;
    const [found] = await call("POST", "/users/ids", unknown);
    for (const each of found) people[each.id] = each.username;
  };
  const title = (channel) => channel.type === "D" ? people[other(channel)] || "somebody" : channel.display_name;
  const path = (channel) => channel.type === "D" ? `/${team.name}/messages/@${people[other(channel)]}`
    : `/${team.name}/${channel.type === "G" ? "messages" : "channels"}/${channel.name}`;
  const isUnread = (channel) => channel !== current && channel.total_msg_count > members[channel.id].msg_count;

  const showSidebar = () => {
    const links = channels.map((channel) => el("li", {class: `SidebarChannel${channel === current ? " active" : ""}`},
      el("a", {
        id: `sidebarItem_${channel.name}`, href: path(channel), "aria-label": title(channel),
        class: `SidebarLink${isUnread(channel) ? " unread-title" : ""}`,
        onclick: (event) => { event.preventDefault(); openChannel(channel); },
      }, title(channel))));
    const threads = el("li", {}, el("a", {
      id: "sidebarItem_threads", href: `/${team.name}/threads`, class: "SidebarLink",
      onclick: (event) => { event.preventDefault(); showThreads(); },
    }, "Threads"));
    const before = document.querySelector("nav");
    const list = el("ul", {}, threads, ...links);
    if (before) before.replaceChildren(list);
    return list;
  };

  const frame = (...center) => {
    root().replaceChildren(standIn(), el("main", {}, el("nav", {"aria-label": "channel sidebar region"}, showSidebar()),
      el("section", {id: "channel_view"}, ...center)));
  };

  const openChannel = async (channel) => {
    current = channel;
    openThread = null;
    history.pushState(null, "", path(channel));
    posts = []; atBeginning = false;
    const page = await get(`/channels/${channel.id}/posts?page=0&per_page=60`);
    if (channel !== current) return;
    take(page, true);
    await know(posts.map((each) => each.user_id));
    if (channel !== current) return;
    showChannel();
    members[channel.id].msg_count = channel.total_msg_count;
    call("POST", "/channels/members/me/view", {channel_id: channel.id, prev_channel_id: ""}).then(showSidebar);
  };
  // Posts of a page, oldest first, those of before behind them.
  const take = (page, newest) => {
    const found = page.order.map((id) => page.posts[id]).filter((each) => !each.root_id).reverse();
    posts = newest ? [...posts, ...found] : [...found, ...posts];
    if (page.order.length < 60) atBeginning = true;
  };

  const showChannel = () => {
    const list = el("div", {id: "postListScrollContainer", class: "post-list__dynamic", role: "list", onscroll: scrolled});
    const box = el("textarea", {id: "post_textbox", "data-testid": "post_textbox", placeholder: `Write to ${title(current)}`});
    box.addEventListener("keydown", (event) => sends(event, box, ""));
    frame(
      el("header", {id: "channel-header"}, el("strong", {id: "channelHeaderTitle"}, title(current)),
        el("div", {id: "searchFormContainer", role: "button", tabindex: "0", onclick: showSearch}, "Search")),
      list, el("form", {class: "create", "data-testid": "create-post"}, box));
    fill(list);
    list.scrollTop = list.scrollHeight;
  };
  const fill = (list) => list.replaceChildren(
    ...(atBeginning ? [el("div", {id: "channelIntro"}, `This is the start of ${title(current)}.`)] : []),
    ...posts.map((each) => view(each, "postView", "post")));

  let loading = false;
  const scrolled = async (event) => {
    const list = event.target;
    if (list.scrollTop > 600 || atBeginning || loading || !posts.length) return;
    loading = true;
    const channel = current, below = list.scrollHeight - list.scrollTop;
    try {
      const page = await get(`/channels/${channel.id}/posts?before=${posts[0].id}&per_page=60`);
      if (channel !== current) return;
      take(page, false);
      await know(posts.map((each) => each.user_id));
      fill(list);
      list.scrollTop = list.scrollHeight - below;
    } finally { loading = false; }
  };

  // -- messages ------------------------------------------------------------------------------------------------

  const view = (post, testId, prefix) => {
    const reactions = (post.metadata?.reactions || []).map((each) =>
      el("button", {id: `postReaction-${post.id}-${each.emoji_name}`, class: "Reaction"}, each.emoji_name));
    const classes = `post${post.type ? " post--system" : ""}${post.pending ? " post--pending" : ""}`;
    return el("div", {id: `${prefix}_${post.id}`, "data-testid": testId, class: classes, role: "listitem"},
      el("span", {class: "post__author"}, people[post.user_id] || "somebody"),
      el("span", {class: "post__body"}, post.message), ...attachments(post), ...reactions,
      ...(post.type || post.pending || prefix !== "post" ? [] : [menu(post)]));
  };
  // As there: one picture is an <img>, once the server has said that it may be seen; several files are a row, in which
  // pictures are backgrounds and all others have an icon.
  const attachments = (post) => {
    const files = post.metadata?.files || [], isPicture = (each) => each.mime_type?.startsWith("image/");
    if (!files.length) return [];
    if (files.length === 1 && isPicture(files[0])) return [single(files[0])];
    return [el("div", {class: "post-image__columns"}, ...files.map((each) => el("div", {class: "post-image__column"},
      el("a", {class: "post-image__thumbnail", "aria-label": `file thumbnail ${each.name}`}, el("div", isPicture(each)
        ? {class: "post-image normal", style: `background-image: url(${API}/files/${each.id}/thumbnail)`}
        : {class: "file-icon generic"})))))];
  };
  const single = (file) => {
    const place = el("div", {class: "file__image"}, el("div", {class: "image-header"}, file.name));
    const show = () => place.replaceChildren(el("img", {src: `${API}/files/${file.id}${file.has_preview_image ? "/preview" : ""}`,
      "aria-label": `file thumbnail ${file.name}`}));
    if (file.has_preview_image) fetch(`${API}/files/${file.id}/thumbnail`, {method: "HEAD"}).finally(show);
    else show();
    return el("div", {class: "file-view--single"}, place);
  };
  const menu = (post) => el("div", {class: "post-menu"},
    el("button", {id: `CENTER_reaction_${post.id}`, "data-testid": "post-reaction-emoji-icon", "aria-label": "Add Reaction",
      onclick: (event) => showPicker(event.currentTarget.parentElement, post)}, "☺"),
    el("button", {id: `CENTER_commentIcon_${post.id}`, "aria-label": "reply", onclick: () => showThread(post)}, "Reply"));

  const showPicker = (place, post) => {
    document.getElementById("emojiPicker")?.remove();
    const items = el("div", {role: "grid"});
    const show = (word) => items.replaceChildren(...EMOJI.filter((each) => each.includes(word)).map((each) =>
      el("button", {"data-testid": "emojiItem", "aria-label": `${each} emoji`, type: "button", onclick: () => react(post, each)}, each)));
    const search = el("input", {id: "emojiPickerSearch", "data-testid": "emojiInputSearch", placeholder: "Search emojis"});
    search.addEventListener("input", () => show(search.value));
    place.classList.add("open");
    place.append(el("div", {id: "emojiPicker"}, search, items));
    show("");
    search.focus();
  };
  const react = async (post, emoji) => {
    document.getElementById("emojiPicker")?.parentElement.classList.remove("open");
    document.getElementById("emojiPicker")?.remove();
    await call("POST", "/reactions", {user_id: me.id, post_id: post.id, emoji_name: emoji, create_at: 0});
    reacted({post_id: post.id, user_id: me.id, emoji_name: emoji});
  };
  const reacted = (reaction) => {
    const post = posts.find((each) => each.id === reaction.post_id);
    if (!post) return;
    post.metadata = {...post.metadata, reactions: [...(post.metadata?.reactions || [])
      .filter((each) => each.emoji_name !== reaction.emoji_name), reaction]};
    document.getElementById(`post_${post.id}`)?.replaceWith(view(post, "postView", "post"));
  };

  const sends = async (event, box, rootId) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    const message = box.value.trim();
    if (!message) return;
    box.value = "";
    const pending = {id: `${me.id}:${Date.now()}`, user_id: me.id, message, pending: true, root_id: rootId};
    append(pending);
    const [post] = await call("POST", "/posts",
      {channel_id: current.id, message, root_id: rootId, pending_post_id: pending.id, user_id: me.id});
    settle(pending.id, post);
  };
  const place = (post) => post.root_id ? [document.getElementById("rhsPosts"), "rhsPostView", "rhsPost"]
    : [document.getElementById("postListScrollContainer"), "postView", "post"];
  const append = (post) => {
    const [list, testId, prefix] = place(post);
    if (!post.root_id) posts.push(post);
    if (!list || document.getElementById(`${prefix}_${post.id}`)) return;
    list.append(view(post, testId, prefix));
    list.scrollTop = list.scrollHeight;
  };
  // The server's own of a message that was shown before it was taken; it may come by the WebSocket first.
  const settle = (pendingId, post) => {
    posts = posts.filter((each) => each.id !== pendingId && each.id !== post.id);
    const [, testId, prefix] = place(post);
    const shown = document.getElementById(`${prefix}_${pendingId}`);
    const twin = document.getElementById(`${prefix}_${post.id}`);
    if (!post.root_id) posts.push(post);
    if (shown && twin) shown.remove();
    else shown?.replaceWith(view(post, testId, prefix));
  };

  // -- beside the channel --------------------------------------------------------------------------------------

  const panel = (heading, closeId, ...content) => {
    document.querySelector("aside")?.remove();
    document.querySelector("main").append(el("aside", {id: "sidebar-right", role: "complementary"},
      el("div", {}, el("strong", {}, heading), el("button", {id: closeId, "aria-label": "Close",
        onclick: () => { openThread = null; document.querySelector("aside")?.remove(); }}, "×")), ...content));
  };
  const showThread = async (post) => {
    const thread = await get(`/posts/${post.id}/thread`);
    const found = thread.order.map((id) => thread.posts[id]).sort((one, other) => one.create_at - other.create_at);
    await know(found.map((each) => each.user_id));
    openThread = post.id;
    const box = el("textarea", {id: "reply_textbox", "data-testid": "reply_textbox", placeholder: "Reply to this thread..."});
    box.addEventListener("keydown", (event) => sends(event, box, post.id));
    panel("Thread", "rhsCloseButton", el("div", {id: "rhsContainer"},
      el("div", {id: "rhsPosts"}, ...found.map((each) => view(each, "rhsPostView", "rhsPost"))),
      el("form", {"data-testid": "comment-create"}, box)));
  };
  const showSearch = () => {
    document.getElementById("searchBox")?.remove();
    const field = el("input", {role: "searchbox", type: "search", "aria-label": "Search messages"});
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") find(field.value); });
    document.querySelector("header").append(el("div", {id: "searchBox"}, field));
    field.focus();
  };
  const find = async (terms) => {
    document.getElementById("searchBox")?.remove();
    const [found] = await call("POST", `/teams/${team.id}/posts/search`,
      {terms, is_or_search: false, include_deleted_channels: false, time_zone_offset: 0, page: 0, per_page: 20});
    const results = (found.order || []).map((id) => el("div", {"data-testid": "search-item-container", role: "listitem"},
      found.posts[id].message));
    panel("Search Results", "searchResultsCloseButton", el("div", {id: "searchContainer"}, ...(results.length ? results
      : [el("div", {class: "no-results__wrapper"}, "No results")])));
  };
  const showThreads = async () => {
    current = null;
    history.pushState(null, "", `/${team.name}/threads`);
    const found = await get(`/users/me/teams/${team.id}/threads?extended=false&per_page=25`);
    const items = (found.threads || []).map((each) => el("div", {class: "ThreadItem", role: "link", tabindex: "0"},
      each.post.message));
    frame(el("header", {}, el("strong", {}, "Followed threads")), el("div", {class: "GlobalThreads"},
      ...(items.length ? items : [el("div", {class: "no-results__wrapper"}, "No followed threads yet")])));
  };

  // -- what others do ------------------------------------------------------------------------------------------

  const listen = () => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + API + "/websocket");
    socket.addEventListener("message", (event) => {
      const {event: kind, data} = JSON.parse(event.data);
      if (kind === "posted") posted(JSON.parse(data.post));
      else if (kind === "reaction_added") reacted(JSON.parse(data.reaction));
    });
    socket.addEventListener("close", () => { if (me) setTimeout(listen, 3000); });
  };
  const posted = async (post) => {
    const channel = channels.find((each) => each.id === post.channel_id);
    if (!channel) return;
    channel.total_msg_count += 1;
    if (channel !== current) { showSidebar(); return; }
    members[channel.id].msg_count = channel.total_msg_count;
    await know([post.user_id]);
    if (post.root_id && post.root_id !== openThread) return;
    if (posts.some((each) => each.id === post.id)) return;
    if (post.pending_post_id && place(post)[0]?.querySelector(`[id$="${CSS.escape(post.pending_post_id)}"]`)) {
      settle(post.pending_post_id, post);
    } else append(post);
  };

  addEventListener("DOMContentLoaded", () => location.pathname === "/login" ? showLogin() : start());
})();
