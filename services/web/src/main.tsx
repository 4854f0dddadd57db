/** The page's start. */

import { render } from "preact";
import { App } from "./view/app.js";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/sign_in.css";
import "./styles/layout.css";
import "./styles/sidebar.css";
import "./styles/conversation.css";
import "./styles/timeline.css";
import "./styles/composer.css";
import "./styles/people.css";
import "./styles/dialog.css";
import "./styles/search.css";

const page = document.getElementById("page");
if (page !== null) render(<App />, page);
