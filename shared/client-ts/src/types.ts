// Generated from the JSON Schemas in `schemas/` by `npm run types`. Do not edit.

export type MessageId = string;
export type RoomId = string;
export type Seq = number;
export type UserId = string;
export type Timestamp = string;
export type Access = "open" | "private";
export type AckData =
  Stored | HistoryResponse | RoomsResponse | MembersResponse | Presence | Receipt | Position | InRoom | User | Pong;
export type Epoch = string;
export type TimelineFrame =
  MessageFrame | SystemFrame | MessageEditedFrame | MessageDeletedFrame | MemberChangedFrame | RoomUpdatedFrame;
export type MessageItem = Tombstone | SaidItem;
export type MessageType = "text" | "image" | "file" | "system" | "json";
export type Change =
  "joined" | "accepted" | "exited" | "invited" | "kicked" | "banned" | "unbanned" | "muted" | "unmuted" | "role";
export type Role = "reader" | "member" | "moderator" | "owner";
export type HistoryFrom = "beginning" | "joined";
export type RoomType = "direct" | "group" | "channel";
export type ClientFrame =
  | AuthRequest
  | JoinRequest
  | LeaveRequest
  | MessageRequest
  | EditRequest
  | DeleteRequest
  | TypingRequest
  | DeliveredRequest
  | ReadRequest
  | HistoryRequest
  | CreateRoomRequest
  | UpdateRoomRequest
  | ArchiveRoomRequest
  | InviteRequest
  | KickRequest
  | BanRequest
  | UnbanRequest
  | MuteRequest
  | RoleRequest
  | ExitRequest
  | RoomsRequest
  | MembersRequest
  | PresenceRequest
  | PingRequest;
export type Code =
  | "not_authenticated"
  | "token_expired"
  | "forbidden"
  | "not_found"
  | "invalid_frame"
  | "invalid_field"
  | "too_large"
  | "rate_limited"
  | "conflict"
  | "not_a_member"
  | "banned"
  | "muted"
  | "archived"
  | "too_many_connections"
  | "too_many_rooms"
  | "history_gone"
  | "unavailable"
  | "internal";
export type ServerFrame = TimelineFrame | SessionFrame;
export type SessionFrame =
  | WelcomeFrame
  | JoinedFrame
  | UserJoinedFrame
  | UserLeftFrame
  | StandingChangedFrame
  | RoomCreatedFrame
  | TypingFrame
  | ReceiptFrame
  | PresenceFrame
  | GoodbyeFrame
  | AckFrame
  | ErrorFrame;

export interface AboutMessage {
  /**
   * The message.
   */
  messageId: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The message's sequence.
   */
  seq: Seq;
}
export interface AboutUser {
  /**
   * Why, for everyone in the room to read.
   */
  reason?: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The person.
   */
  userId: UserId;
}
export interface AboutUserUntil {
  /**
   * Why, for everyone in the room to read.
   */
  reason?: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The end; none is for ever.
   */
  until?: Timestamp;
  /**
   * The person.
   */
  userId: UserId;
}
export interface Stored {
  /**
   * The stream's life that `seq` counts in.
   */
  epoch: Epoch;
  /**
   * The message, where it is about one.
   */
  messageId?: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The sequence that it was stored at; the last one, where several events were.
   */
  seq: Seq;
  /**
   * The edge's clock when it decided.
   */
  timestamp: Timestamp;
}
export interface HistoryResponse {
  /**
   * The stream's life that the sequences count in.
   */
  epoch: Epoch;
  /**
   * Oldest first, in their present state; each a whole frame object `{"event","seq","data"}`.
   */
  events: TimelineFrame[];
  /**
   * Whether the asker could read more in the direction of paging: newer items after a sequence, older ones
   * otherwise; around a sequence, on either side.
   */
  more: boolean;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Everything of the room up to here that the asker may read is in reach of this page: nothing is missing.
   */
  seq: Seq;
}
/**
 * Somebody said something; in a page, in its present state.
 */
export interface MessageFrame {
  /**
   * The message.
   */
  data: MessageItem;
  event: "chat.message";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
export interface Tombstone {
  /**
   * Always true: what tells it from a message that stands.
   */
  deleted: true;
  /**
   * When, by the edge's clock.
   */
  deletedAt: Timestamp;
  /**
   * Who deleted it.
   */
  deletedBy: UserId;
  /**
   * The message.
   */
  messageId: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * When it was said.
   */
  timestamp: Timestamp;
  /**
   * Who had said it.
   */
  userId: UserId;
}
export interface SaidItem {
  /**
   * What comes with it.
   */
  attachments?: Attachment[];
  /**
   * Their picture when they said it.
   */
  avatar?: string;
  /**
   * When it was edited last.
   */
  editedAt?: Timestamp;
  /**
   * Whom it names.
   */
  mentions?: UserId[];
  /**
   * What they said.
   */
  message: string;
  /**
   * The message: derived from its idempotency key.
   */
  messageId: MessageId;
  /**
   * What it is.
   */
  messageType: MessageType;
  /**
   * The message that this one answers.
   */
  replyTo?: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The edge's clock.
   */
  timestamp: Timestamp;
  /**
   * Who said it.
   */
  userId: UserId;
  /**
   * Their name when they said it.
   */
  username: string;
}
export interface Attachment {
  /**
   * Its media type, as its sender claims.
   */
  contentType?: string;
  /**
   * What to call it.
   */
  name?: string;
  /**
   * Its length in bytes, as its sender claims.
   */
  size?: number;
  /**
   * Where it lies.
   */
  url: string;
}
/**
 * The operator said something; in a page, in its present state.
 */
export interface SystemFrame {
  /**
   * The message.
   */
  data: MessageItem;
  event: "chat.system";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
/**
 * A message reads otherwise now. Never an item of a page.
 */
export interface MessageEditedFrame {
  /**
   * What changed.
   */
  data: MessageEdited;
  event: "chat.messageEdited";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
export interface MessageEdited {
  /**
   * What it says now.
   */
  message: string;
  /**
   * The message that was edited.
   */
  messageId: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The edge's clock.
   */
  timestamp: Timestamp;
  /**
   * Who edited it: its author.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
/**
 * A message was taken away. Never an item of a page.
 */
export interface MessageDeletedFrame {
  /**
   * Which one.
   */
  data: MessageDeleted;
  event: "chat.messageDeleted";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
export interface MessageDeleted {
  /**
   * Who had written it.
   */
  author: UserId;
  /**
   * The message that was deleted.
   */
  messageId: MessageId;
  /**
   * Where it stood: what the eraser removes.
   */
  position: Position;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * When it was said.
   */
  sentAt: Timestamp;
  /**
   * When it was deleted, by the edge's clock.
   */
  timestamp: Timestamp;
  /**
   * Who deleted it: its author or a moderator.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
export interface Position {
  /**
   * The stream's life that `seq` counts in.
   */
  epoch: Epoch;
  /**
   * The last sequence seen.
   */
  seq: Seq;
}
/**
 * Somebody changed another's standing, or an owner left.
 */
export interface MemberChangedFrame {
  /**
   * What changed.
   */
  data: MemberChanged;
  event: "chat.memberChanged";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
export interface MemberChanged {
  /**
   * Who did it; not there where people did it themselves.
   */
  by?: UserId;
  /**
   * What happened.
   */
  change: Change;
  /**
   * Why, in the doer's words.
   */
  reason?: string;
  /**
   * The role after the change, where that is what changed.
   */
  role?: Role;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The edge's clock.
   */
  timestamp: Timestamp;
  /**
   * When a ban or mute ends.
   */
  until?: Timestamp;
  /**
   * Whose standing changed.
   */
  userId: UserId;
  /**
   * Their name, as far as it is known.
   */
  username: string;
}
/**
 * The room's name or rules changed.
 */
export interface RoomUpdatedFrame {
  /**
   * What it is now.
   */
  data: RoomUpdated;
  event: "chat.roomUpdated";
  /**
   * The sequence of the timeline event before it.
   */
  prev?: Seq;
  /**
   * Its sequence.
   */
  seq: Seq;
}
export interface RoomUpdated {
  /**
   * Whether it is closed for writing after the change.
   */
  archived: boolean;
  /**
   * Who did it.
   */
  by: UserId;
  /**
   * Its name after the change.
   */
  name: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Its rules after the change.
   */
  settings: Settings;
  /**
   * The edge's clock.
   */
  timestamp: Timestamp;
}
export interface Settings {
  /**
   * Who may come in.
   */
  access: Access;
  /**
   * From where on they may read.
   */
  history: HistoryFrom & string;
}
export interface RoomsResponse {
  /**
   * Where the next page begins; none on the last.
   */
  cursor?: string;
  /**
   * The stream's life that the sequences count in.
   */
  epoch: Epoch;
  /**
   * The rooms.
   */
  rooms: RoomSummary[];
  /**
   * Folded up to here.
   */
  seq: Seq;
}
export interface RoomSummary {
  /**
   * The newest message that the asker may read and that was not deleted, shaped like an item of history.
   */
  lastMessage: TimelineFrame | null;
  /**
   * Those of them that name the asker.
   */
  mentions: number;
  /**
   * What people call it; empty for a direct room.
   */
  name: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The last sequence of the room's timeline; what to mark as read.
   */
  seq: Seq;
  /**
   * What kind of room it is.
   */
  type: RoomType;
  /**
   * Messages of others after the asker's mark, deleted ones not counted; `UNREAD_MAX` stands for all above.
   */
  unread: number;
}
export interface MembersResponse {
  /**
   * Where the next page begins; none on the last.
   */
  cursor?: string;
  /**
   * The stream's life that the sequences count in.
   */
  epoch: Epoch;
  /**
   * The members.
   */
  members: MemberSummary[];
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Folded up to here.
   */
  seq: Seq;
}
export interface MemberSummary {
  /**
   * Their picture, likewise.
   */
  avatar?: string;
  /**
   * When their last connection to a server ended; none where none ever did. Who is attached is told by presence.
   */
  lastSeen?: Timestamp;
  /**
   * Whether they are muted, and until when.
   */
  muted?: Mute;
  /**
   * Their role.
   */
  role: Role;
  /**
   * Where they stand.
   */
  standing: "joined" | "invited" | "left" | "removed" | "banned";
  /**
   * The end of a ban; none is for ever.
   */
  until?: Timestamp;
  /**
   * The person.
   */
  userId: UserId;
  /**
   * Their name when their standing was stored.
   */
  username: string;
}
export interface Mute {
  /**
   * The end of the mute; none is for ever.
   */
  until?: Timestamp;
}
export interface Presence {
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * How many are attached.
   */
  userCount: number;
  /**
   * Who is attached: at most `users_listed_max`; empty in counts-only frames.
   */
  users: User[];
}
export interface User {
  /**
   * Their id.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
export interface Receipt {
  /**
   * Everything up to here has reached them.
   */
  delivered: Seq;
  /**
   * Everything up to here was read.
   */
  read: Seq;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Whose marks.
   */
  userId: UserId;
}
export interface InRoom {
  /**
   * The room.
   */
  roomId: RoomId;
}
export interface Pong {
  /**
   * The server's clock.
   */
  serverTime: Timestamp;
}
export interface ArchiveRoom {
  /**
   * Open it again.
   */
  remove?: boolean;
  /**
   * The room.
   */
  roomId: RoomId;
}
export interface Auth {
  /**
   * A JSON Web Token.
   */
  token: string;
}
/**
 * A token, where the upgrade brought none; or a newer one.
 */
export interface AuthRequest {
  data: Auth;
  event: "chat.auth";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Attach to a room; become a member where it is open; make it where it is not there.
 */
export interface JoinRequest {
  data: Join;
  event: "chat.join";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Join {
  /**
   * Items of the newest page, where nothing is resumed.
   */
  limit?: number;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The last position that the client has: resume from there.
   */
  since?: Position;
}
/**
 * Detach; stays a member.
 */
export interface LeaveRequest {
  data: InRoom;
  event: "chat.leave";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Say something.
 */
export interface MessageRequest {
  data: Message;
  event: "chat.message";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Message {
  /**
   * What comes with it.
   */
  attachments?: Attachment[];
  /**
   * Whom it names.
   */
  mentions?: UserId[];
  /**
   * What is said.
   */
  message: string;
  /**
   * What it is; text by default.
   */
  messageType?: MessageType & string;
  /**
   * The message that it answers.
   */
  replyTo?: MessageRef;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Accepted from older clients and ignored: the name is the token's.
   */
  username?: string;
}
export interface MessageRef {
  /**
   * The message.
   */
  messageId: MessageId;
  /**
   * The message's sequence.
   */
  seq: Seq;
}
/**
 * Change what one has said.
 */
export interface EditRequest {
  data: Edit;
  event: "chat.edit";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Edit {
  /**
   * What it says from now on.
   */
  message: string;
  /**
   * The message.
   */
  messageId: MessageId;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The message's sequence.
   */
  seq: Seq;
}
/**
 * Take away what was said.
 */
export interface DeleteRequest {
  data: AboutMessage;
  event: "chat.delete";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Writing, or no longer.
 */
export interface TypingRequest {
  data: Typing;
  event: "chat.typing";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Typing {
  /**
   * Writing, or no longer.
   */
  isTyping: boolean;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Accepted from older clients and ignored: the name is the token's.
   */
  username?: string;
}
/**
 * Everything up to here has reached this person.
 */
export interface DeliveredRequest {
  data: Mark;
  event: "chat.delivered";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Mark {
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Up to and with this sequence. Marks only move forward.
   */
  seq: Seq;
}
/**
 * Everything up to here was read.
 */
export interface ReadRequest {
  data: Mark;
  event: "chat.read";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * A page of a room's history.
 */
export interface HistoryRequest {
  data: History;
  event: "chat.history";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface History {
  /**
   * Items after this sequence, without it.
   */
  after?: Seq;
  /**
   * Items around this sequence, with it.
   */
  around?: Seq;
  /**
   * Items before this sequence, without it.
   */
  before?: Seq;
  /**
   * How many at most.
   */
  limit?: number;
  /**
   * The room.
   */
  roomId: RoomId;
}
/**
 * Make a room.
 */
export interface CreateRoomRequest {
  data: CreateRoom;
  event: "chat.createRoom";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface CreateRoom {
  /**
   * What people call it.
   */
  name?: string;
  /**
   * Members from the beginning; the creator need not be named.
   */
  participants?: UserId[];
  /**
   * Its id; the server makes one where none is given, and always for a direct room.
   */
  roomId?: RoomId;
  /**
   * Its rules, where they differ from its type's.
   */
  settings?: SettingsChange;
  /**
   * What kind of room.
   */
  type: RoomType;
}
export interface SettingsChange {
  /**
   * Who may come in.
   */
  access?: Access;
  /**
   * From where on members may read.
   */
  history?: HistoryFrom;
}
/**
 * Change a room's name or rules.
 */
export interface UpdateRoomRequest {
  data: UpdateRoom;
  event: "chat.updateRoom";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface UpdateRoom {
  /**
   * Another name.
   */
  name?: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Other rules.
   */
  settings?: SettingsChange;
}
/**
 * Close a room for writing, or open it again.
 */
export interface ArchiveRoomRequest {
  data: ArchiveRoom;
  event: "chat.archiveRoom";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Ask somebody to come.
 */
export interface InviteRequest {
  data: InviteUser;
  event: "chat.invite";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface InviteUser {
  /**
   * Why, for everyone in the room to read.
   */
  reason?: string;
  /**
   * What they become by accepting; what joining makes them by default.
   */
  role?: Role;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The person.
   */
  userId: UserId;
}
/**
 * Put somebody out.
 */
export interface KickRequest {
  data: AboutUser;
  event: "chat.kick";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Put somebody out and keep them out.
 */
export interface BanRequest {
  data: AboutUserUntil;
  event: "chat.ban";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Let somebody come again.
 */
export interface UnbanRequest {
  data: AboutUser;
  event: "chat.unban";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Take somebody's word for a while, or give it back.
 */
export interface MuteRequest {
  data: MuteUser;
  event: "chat.mute";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface MuteUser {
  /**
   * Why, for everyone in the room to read.
   */
  reason?: string;
  /**
   * Give the word back.
   */
  remove?: boolean;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The end; none is for ever.
   */
  until?: Timestamp;
  /**
   * The person.
   */
  userId: UserId;
}
/**
 * Give somebody another role.
 */
export interface RoleRequest {
  data: GiveRole;
  event: "chat.role";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface GiveRole {
  /**
   * Why, for everyone in the room to read.
   */
  reason?: string;
  /**
   * Their role from now on.
   */
  role: Role;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The person.
   */
  userId: UserId;
}
/**
 * Stop being a member.
 */
export interface ExitRequest {
  data: InRoom;
  event: "chat.exit";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * The rooms that one is a member of.
 */
export interface RoomsRequest {
  data: Rooms;
  event: "chat.rooms";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Rooms {
  /**
   * Where the last page ended.
   */
  cursor?: string;
  /**
   * How many at most.
   */
  limit?: number;
}
/**
 * The members of a room.
 */
export interface MembersRequest {
  data: Members;
  event: "chat.members";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Members {
  /**
   * Where the last page ended.
   */
  cursor?: string;
  /**
   * How many at most.
   */
  limit?: number;
  /**
   * The room.
   */
  roomId: RoomId;
}
/**
 * Who is attached to a room.
 */
export interface PresenceRequest {
  data: InRoom;
  event: "chat.presence";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
/**
 * Nothing; answered.
 */
export interface PingRequest {
  data: Ping;
  event: "chat.ping";
  /**
   * The client's own: with one there is exactly one answer, and a repeat is no second command.
   */
  id?: string;
}
export interface Ping {}
export interface Failure {
  /**
   * For a program.
   */
  code: Code;
  /**
   * For a person.
   */
  message: string;
  /**
   * Not before this many milliseconds.
   */
  retryAfterMs?: number;
  /**
   * Whether the same request, under the same id, may succeed later.
   */
  retryable: boolean;
}
export interface Goodbye {
  /**
   * Why, for a person to read.
   */
  reason: string;
  /**
   * Come back no sooner than after this many milliseconds.
   */
  reconnectAfterMs: number;
  /**
   * Whether positions hold and rooms can be resumed.
   */
  resume: boolean;
}
export interface Joined {
  /**
   * The stream's life that sequences count in.
   */
  epoch: Epoch;
  /**
   * What came since, or the newest page; whole frames, oldest first.
   */
  events: TimelineFrame[];
  /**
   * False where the views could not be asked: `events` is empty then; ask `chat.history` later.
   */
  historyReady: boolean;
  /**
   * The joiner's standing; null for a reader of an open room who is no member.
   */
  member: MemberState | null;
  /**
   * Whether the room holds older items than `events`.
   */
  more: boolean;
  /**
   * With `since`: whether `events` is all that came after it. Not there without `since`.
   */
  recovered?: boolean;
  /**
   * The room.
   */
  room: RoomState;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Where the room's timeline stands: everything after it follows live.
   */
  seq: Seq;
  /**
   * How many are attached.
   */
  userCount: number;
  /**
   * Who is attached: at most `users_listed_max`, the joiner among them.
   */
  users: User[];
}
export interface MemberState {
  /**
   * Whether they are muted.
   */
  muted: boolean;
  /**
   * Their role.
   */
  role: Role;
  /**
   * Where they stand.
   */
  standing: "joined" | "invited" | "left" | "removed" | "banned";
  /**
   * The end of a ban; none is for ever.
   */
  until?: Timestamp;
  /**
   * The person.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
export interface RoomState {
  /**
   * Whether it is closed for writing.
   */
  archived: boolean;
  /**
   * What people call it.
   */
  name: string;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * Its rules.
   */
  settings: Settings;
  /**
   * What kind of room it is.
   */
  type: RoomType;
}
export interface Retry {
  /**
   * The last bound, in milliseconds.
   */
  maxMs: number;
  /**
   * The first bound, in milliseconds.
   */
  minMs: number;
}
/**
 * The first frame of an authenticated session.
 */
export interface WelcomeFrame {
  data: Welcome;
  event: "chat.welcome";
}
export interface Welcome {
  /**
   * What this server allows.
   */
  limits: ShownLimits;
  /**
   * How to come back after a loss.
   */
  retry: Retry;
  /**
   * The server's clock.
   */
  serverTime: Timestamp;
  /**
   * The session, for support and logs.
   */
  sessionId: string;
  /**
   * Whom the token names.
   */
  user: User;
}
export interface ShownLimits {
  /**
   * Milliseconds until the first valid token must have come.
   */
  authMsMax: number;
  /**
   * Connections of one person to one edge. Past it: `too_many_connections` and close 4102.
   */
  connectionsPerUserMax: number;
  /**
   * Fragments of one client message. Past it: close 1002.
   */
  fragmentsMax: number;
  /**
   * Bytes of one client message, all its fragments together. Past it: close 1009.
   */
  frameBytesMax: number;
  /**
   * Frames at once from one session.
   */
  framesBurst: number;
  /**
   * Frames a second from one session, on average. Past it: `rate_limited`.
   */
  framesPerSecond: number;
  /**
   * Milliseconds without a byte from the client until it counts as gone.
   */
  idleMsMax: number;
  /**
   * Bytes that a resume or a page serves at most.
   */
  pageBytesMax: number;
  /**
   * Items of a page where the client names no limit.
   */
  pageItemsDefault: number;
  /**
   * Items of a page at most.
   */
  pageItemsMax: number;
  /**
   * Milliseconds between the server's pings.
   */
  pingMs: number;
  /**
   * Bytes queued for one session, answers to its own requests apart. Past it: close 4001.
   */
  queueBytesMax: number;
  /**
   * Frames that one session may have waiting for their turn; then its socket is not read.
   */
  requestsWaitingMax: number;
  /**
   * Events that a resume serves at most; more is `recovered: false`.
   */
  resumeEventsMax: number;
  /**
   * Rooms that one session may be attached to. Past it: `too_many_rooms`.
   */
  roomsPerSessionMax: number;
  /**
   * People attached above which a room sends counts only.
   */
  rosterFramesMax: number;
  /**
   * Stored commands at once from one person.
   */
  sendsBurst: number;
  /**
   * Messages, edits and other stored commands a second from one person, on average. Past it: `rate_limited`.
   */
  sendsPerSecond: number;
  /**
   * Milliseconds between two typing frames of one session in one room that are passed on.
   */
  typingMsMin: number;
  /**
   * People that `chat.joined` and `chat.presence` name at most.
   */
  usersListedMax: number;
}
/**
 * A room is attached: answers `chat.join`, beside its ack.
 */
export interface JoinedFrame {
  data: Joined;
  event: "chat.joined";
}
/**
 * Somebody attached.
 */
export interface UserJoinedFrame {
  data: UserInRoom;
  event: "chat.userJoined";
}
export interface UserInRoom {
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The person.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
/**
 * Somebody detached.
 */
export interface UserLeftFrame {
  data: UserInRoom;
  event: "chat.userLeft";
}
/**
 * Somebody joined, accepted or left, of which the timeline has no notice; or the receiver was invited.
 */
export interface StandingChangedFrame {
  data: MemberChanged;
  event: "chat.memberChanged";
}
/**
 * The receiver is a member of a new room.
 */
export interface RoomCreatedFrame {
  data: RoomState;
  event: "chat.roomCreated";
}
/**
 * Somebody writes, or does no longer.
 */
export interface TypingFrame {
  data: TypingInRoom;
  event: "chat.typing";
}
export interface TypingInRoom {
  /**
   * Writing, or no longer.
   */
  isTyping: boolean;
  /**
   * The room.
   */
  roomId: RoomId;
  /**
   * The person.
   */
  userId: UserId;
  /**
   * Their name.
   */
  username: string;
}
/**
 * Somebody's marks moved.
 */
export interface ReceiptFrame {
  data: Receipt;
  event: "chat.receipt";
}
/**
 * How many are attached to a room that is too big to name them.
 */
export interface PresenceFrame {
  data: Presence;
  event: "chat.presence";
}
/**
 * The server is about to close the connection.
 */
export interface GoodbyeFrame {
  data: Goodbye;
  event: "chat.goodbye";
}
/**
 * A request did what it should.
 */
export interface AckFrame {
  data: AckData;
  event: "ack";
  /**
   * The id of the frame that it answers.
   */
  id: string;
}
/**
 * A request did not, or a frame could not be read.
 */
export interface ErrorFrame {
  data: Failure;
  event: "error";
  /**
   * The id of the frame that it answers.
   */
  id?: string;
}
/**
 * What the acknowledgement of each request holds.
 */
export interface Acks {
  "chat.auth": User;
  "chat.join": Position;
  "chat.leave": InRoom;
  "chat.message": Stored;
  "chat.edit": Stored;
  "chat.delete": Stored;
  "chat.typing": InRoom;
  "chat.delivered": Receipt;
  "chat.read": Receipt;
  "chat.history": HistoryResponse;
  "chat.createRoom": Stored;
  "chat.updateRoom": Stored;
  "chat.archiveRoom": Stored;
  "chat.invite": Stored;
  "chat.kick": Stored;
  "chat.ban": Stored;
  "chat.unban": Stored;
  "chat.mute": Stored;
  "chat.role": Stored;
  "chat.exit": Stored;
  "chat.rooms": RoomsResponse;
  "chat.members": MembersResponse;
  "chat.presence": Presence;
  "chat.ping": Pong;
}
